import type { ChildFacts } from './facts.ts';
import { enumerate } from './rules/judgement.ts';
import { type RuleResult, type VerdictState, worstState } from './verdict.ts';

/**
 * What an index takes over from what it names: the worst verdict of its children.
 *
 * Signatures and attestations among them do not count, nor do the attestations that BuildKit marks with the platform
 * `unknown/unknown` as long as they are not here; should one of those turn out to be an image, it counts from its
 * push on.
 *
 * @param absentState the verdict of an image of which nothing is known, which is what a child that is not here is
 */
export function judgeChildren(children: readonly ChildFacts[], absentState: () => VerdictState): RuleResult {
  const judged = children
    .filter(counts)
    .map((child) => ({ child, state: child.stored?.state ?? absentState() }))
    .sort((left, right) => (sortKey(left.child) < sortKey(right.child) ? -1 : 1));
  const worst = worstState(judged.map(({ state }) => state));
  const worstOnes = judged.filter(({ state }) => state === worst);
  const reason =
    worst === 'green'
      ? `${judged.length} of ${children.length} children count, and all of those are green`
      : enumerate(
          worstOnes.map(({ child, state }) => describeChild(child, state)),
          2,
        );
  return {
    scope: 'index',
    policy: 'children',
    policyVersion: 0,
    rule: 'children',
    kind: 'children',
    mode: 'enforce',
    outcome: ({ green: 'pass', amber: 'warn', pending: 'pending', red: 'fail' } as const)[worst],
    reason,
    expected: 'every child that can run is green',
    found:
      enumerate(
        judged.map(({ child, state }) => `${nameOf(child)} ${state}`),
        10,
      ) || 'no children',
    evidence: [],
    remedy: worst === 'green' ? null : 'whoever can change the verdict of the child: see its own explanation',
  };
}

function sortKey({ digest, platform }: ChildFacts): string {
  return `${digest} ${platform ?? ''}`;
}

function counts({ platform, stored }: ChildFacts): boolean {
  if (stored === null) return platform !== 'unknown/unknown';
  return stored.kind !== 'signature' && stored.kind !== 'attestation';
}

function describeChild(child: ChildFacts, state: VerdictState): string {
  if (child.stored === null) return `${nameOf(child)} is not in the repository`;
  return `${nameOf(child)} is ${state}${child.stored.summary === null ? '' : `: ${child.stored.summary}`}`;
}

function nameOf({ digest, platform }: ChildFacts): string {
  const short = digest.slice(0, 19);
  return platform === null ? short : `${platform} (${short})`;
}
