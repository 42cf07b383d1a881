import type { VerdictState, VerdictSummary } from '../api/types.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import type { Output, Style } from '../io/output.ts';

const SHOWN: Record<VerdictState, { icon: string; style: Style }> = {
  green: { icon: '✔', style: 'green' },
  amber: { icon: '▲', style: 'yellow' },
  red: { icon: '✖', style: 'red' },
  pending: { icon: '…', style: 'cyan' },
};

/** Icon and word, and a colour where there is one. */
export function stateText(output: Output, state: VerdictState): string {
  // A server newer than this command may know further states.
  const { icon, style } = SHOWN[state] ?? { icon: '?', style: 'bold' };
  return output.style(style, `${icon} ${state}`);
}

/** The exit code of `sluice verdict`. A state that this command does not know is not a pass. */
export function exitCodeOf({ state }: Pick<VerdictSummary, 'state'>, failOn: 'red' | 'amber'): ExitCode {
  switch (state) {
    case 'green':
      return EXIT.green;
    case 'amber':
      return failOn === 'amber' ? EXIT.amber : EXIT.green;
    case 'pending':
      return EXIT.pending;
    default:
      return EXIT.red;
  }
}
