import { parseDuration } from './io/duration.ts';

/** How long `--wait` waits unless it says. */
export const DEFAULT_WAIT = '10m';

/**
 * Gives a bare `--wait` its default value.
 *
 * An option with an optional value takes whatever stands after it, so that `verdict --wait team/app:1` would read the
 * reference as a time. A time that stands apart (`--wait 5m`) is still taken as its value.
 */
export function normaliseArguments(argv: readonly string[]): string[] {
  const result: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--') return [...result, ...argv.slice(index)];
    if (argument !== '--wait') {
      result.push(argument);
      continue;
    }
    const next = argv[index + 1];
    const isTime = next !== undefined && parseDuration(next) !== undefined;
    result.push(`--wait=${isTime ? next : DEFAULT_WAIT}`);
    if (isTime) index += 1;
  }
  return result;
}
