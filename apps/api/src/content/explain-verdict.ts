import type { RuleResult } from '@sluice/domain/policy';
import type { ChildView, VerdictView } from './artifact.schemas.ts';

/** A verdict for people: what was decided, by which rule, and who can change it. */
export function explainVerdict(verdict: VerdictView): string {
  const { artifact } = verdict;
  const tags = artifact.tags.length === 0 ? '' : ` (${artifact.tags.join(', ')})`;
  const blocks = [
    [
      `${verdict.state.toUpperCase()}  ${artifact.repository}@${artifact.digest}${tags}`,
      ...(verdict.summary === null ? [] : [verdict.summary]),
      `evaluated ${verdict.evaluatedAt}`,
    ],
    ...verdict.results.map(explainRule),
    ...(verdict.children === undefined || verdict.children.length === 0
      ? []
      : [['what this index names:', ...verdict.children.map(explainChild)]]),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function explainRule(result: RuleResult): string[] {
  const mode = result.mode === 'enforce' ? '' : ', audit only';
  return [
    `${result.outcome.toUpperCase()}  rule ${result.rule} of policy ${result.policy} version ${result.policyVersion}, ${result.scope}${mode}`,
    `  ${result.reason}`,
    `  expected: ${result.expected}`,
    `  found:    ${result.found}`,
    ...(result.remedy === null ? [] : [`  to fix:   ${result.remedy}`]),
  ];
}

function explainChild({ digest, platform, verdict }: ChildView): string {
  const state = verdict === null ? 'not in this repository' : verdict.state;
  const summary = verdict?.summary ?? null;
  return `  ${state}  ${platform ?? '-'}  ${digest}${summary === null ? '' : `  ${summary}`}`;
}
