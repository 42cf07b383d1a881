import { resolveArtifact } from '../api/artifact.ts';
import type { RuleResult, Verdict } from '../api/types.ts';
import type { CommandContext } from '../context.ts';
import type { Output, Style } from '../io/output.ts';
import { printableLine } from '../io/text.ts';
import { stateText } from './verdict-text.ts';

const OUTCOME_STYLE: Record<RuleResult['outcome'], Style> = {
  pass: 'green',
  warn: 'yellow',
  fail: 'red',
  pending: 'cyan',
  'not-applicable': 'dim',
};

export async function explain(context: CommandContext, reference: string): Promise<void> {
  const api = context.api(reference);
  const artifact = await resolveArtifact(api, reference);
  const verdict = await api.get<Verdict>(`/artifacts/${artifact.id}/verdict`);
  await context.output.report(verdict, () => textOf(context.output, verdict));
}

function textOf(output: Output, verdict: Verdict): string {
  const { artifact } = verdict;
  const lines = [
    `${stateText(output, verdict.state)}  ${artifact.repository}@${artifact.digest}`,
    ...(verdict.summary === null ? [] : [`  ${printableLine(verdict.summary)}`]),
    `  evaluated ${verdict.evaluatedAt}, ${verdict.url}`,
    ...verdict.results.flatMap((result) => ['', ...ruleLines(output, result)]),
    ...childLines(output, verdict),
  ];
  return `${lines.join('\n')}\n`;
}

function ruleLines(output: Output, result: RuleResult): string[] {
  const outcome = output.style(OUTCOME_STYLE[result.outcome] ?? 'bold', result.outcome.toUpperCase());
  const mode = result.mode === 'enforce' ? '' : `, ${result.mode} only`;
  const title = `${outcome}  ${result.policy}/${result.rule}  (${result.kind} rule of ${result.scope}, version ${result.policyVersion}${mode})`;
  return [
    printableTitle(title),
    `  ${printableLine(result.reason)}`,
    `  expected  ${printableLine(result.expected)}`,
    `  found     ${printableLine(result.found)}`,
    ...(result.remedy === null ? [] : [`  to fix    ${printableLine(result.remedy)}`]),
  ];
}

function childLines(output: Output, verdict: Verdict): string[] {
  const children = verdict.children ?? [];
  if (children.length === 0) return [];
  return [
    '',
    'Images of this index:',
    ...children.map(({ digest, platform, verdict: child }) => {
      const state = child === null ? 'not in this repository' : stateText(output, child.state);
      const summary = child?.summary ?? null;
      return `  ${state}  ${platform ?? '-'}  ${digest}${summary === null ? '' : `  ${printableLine(summary)}`}`;
    }),
  ];
}

/** Names of policies and rules are checked by the server; only the colour codes of the outcome may stay. */
function printableTitle(title: string): string {
  return title.replaceAll(/[\r\n\t]/g, ' ');
}
