import { createHash } from 'node:crypto';
import type { ArtifactKind } from '../oci/classify.ts';
import { canonicalJson } from '../canonical-json.ts';
import { judgeChildren } from './children.ts';
import { effectiveMode, type PolicyRule } from './document.ts';
import {
  type AttachedPolicy,
  type EvaluationContext,
  type EvidenceRecord,
  type Facts,
  selectFacts,
} from './facts.ts';
import type { Judgement } from './rules/judgement.ts';
import { judgeScan } from './rules/scan.ts';
import { judgeSignature } from './rules/signature.ts';
import { judgeVulnerabilities } from './rules/vulnerabilities.ts';
import { type RuleResult, type VerdictState, worstState } from './verdict.ts';

/** Raised when the same inputs would be judged differently than before, so that stored verdicts are seen as old. */
const EVALUATOR_VERSION = 1;

export interface Evaluation {
  readonly state: VerdictState;
  /** One line for clients: the first rule that decided, and why; null when green. */
  readonly summary: string | null;
  /** Worst first. */
  readonly results: readonly RuleResult[];
  /** SHA-256 of everything that the verdict depends on, as hex. */
  readonly inputsHash: string;
}

/**
 * Judges one artifact: every rule of every policy must hold.
 *
 * Pure, total and independent of the order of its inputs; nothing else in Sluice decides what is green. Scan rules
 * concern what a container runtime can run; an index is as good as its own signatures and its worst child.
 */
export function evaluate(
  policies: readonly AttachedPolicy[],
  evidence: readonly EvidenceRecord[],
  context: EvaluationContext,
): Evaluation {
  const facts = selectFacts(evidence, context);
  const judged = policies.flatMap((policy) => judgePolicy(policy, facts));
  if (context.artifact.kind === 'index') {
    judged.push(judgeChildren(context.children, absentState(policies, evidence, context)));
  }
  const results = inOrder(judged);
  const state = worstState(results.map(stateOf));
  return {
    state,
    summary: state === 'green' ? null : summarize(results, state),
    results,
    inputsHash: hashInputs(policies, facts, results),
  };
}

function judgePolicy(policy: AttachedPolicy, facts: Facts): RuleResult[] {
  const source = { scope: policy.scope, policy: policy.name, policyVersion: policy.version };
  const { document } = policy;
  if (document === null) return [{ ...source, ...UNREADABLE }];
  return document.spec.rules.flatMap((rule) => {
    const mode = effectiveMode(document, rule);
    if (mode === 'off') return [];
    return judgeRule(rule, facts).map((judgement): RuleResult => {
      const outcome = mode === 'audit' && judgement.outcome === 'fail' ? 'warn' : judgement.outcome;
      return { ...source, rule: rule.name, kind: rule.kind, mode, ...judgement, outcome };
    });
  });
}

function judgeRule(rule: PolicyRule, facts: Facts): Judgement[] {
  const inapplicable = whyNotApplicable(rule.kind, facts.context.artifact.kind);
  if (inapplicable !== null) {
    return [
      {
        outcome: 'not-applicable',
        reason: inapplicable,
        expected: 'nothing',
        found: facts.context.artifact.kind,
        evidence: [],
        remedy: null,
      },
    ];
  }
  switch (rule.kind) {
    case 'scan':
      return judgeScan(rule, facts);
    case 'vulnerabilities':
      return judgeVulnerabilities(rule, facts);
    case 'signature':
      return [judgeSignature(rule, facts)];
  }
}

/** Null when the rule applies; so it does to every kind of artifact that is not named here. */
function whyNotApplicable(rule: PolicyRule['kind'], artifact: ArtifactKind): string | null {
  if (artifact === 'signature' || artifact === 'attestation') {
    return `the artifact is itself a statement about another one (${artifact})`;
  }
  if (rule === 'signature') return null;
  if (artifact === 'index') return 'an index has no contents of its own: its children are judged';
  if (artifact === 'artifact') return 'no container runtime can run it';
  return null;
}

const UNREADABLE: Omit<RuleResult, 'scope' | 'policy' | 'policyVersion'> = {
  rule: 'policy',
  kind: 'policy',
  mode: 'enforce',
  outcome: 'fail',
  reason: 'the stored policy cannot be read, so nobody knows whether it holds',
  expected: 'a policy document of sluice.dev/v1',
  found: 'something else',
  evidence: [],
  remedy: 'whoever owns the policy: apply it again',
};

/** The verdict of a child that the repository does not have: an image of which nothing is known or coming. */
function absentState(
  policies: readonly AttachedPolicy[],
  evidence: readonly EvidenceRecord[],
  index: EvaluationContext,
): () => VerdictState {
  let state: VerdictState | undefined;
  // The same for all of them, and an index may name ten thousand.
  return () =>
    (state ??= evaluate(policies, evidence, {
      artifact: { repository: index.artifact.repository, digest: 'absent', kind: 'image' },
      expected: { scan: false, rematch: false, signature: false },
      advisoriesLoaded: index.advisoriesLoaded,
      parents: [index.artifact.digest],
      children: [],
      trustedKeys: index.trustedKeys,
    }).state);
}

/** What one result makes of the whole. In audit mode nothing is refused and nobody waits. */
function stateOf({ mode, outcome }: RuleResult): VerdictState {
  switch (outcome) {
    case 'pass':
    case 'not-applicable':
      return 'green';
    case 'warn':
      return 'amber';
    case 'pending':
      return mode === 'audit' ? 'amber' : 'pending';
    case 'fail':
      return 'red';
  }
}

const SUMMARY_MAX = 600;

function summarize(results: readonly RuleResult[], state: VerdictState): string {
  const deciding = results.filter((result) => stateOf(result) === state);
  const [first] = deciding;
  if (first === undefined) return state;
  const more = deciding.length > 1 ? `; and ${deciding.length - 1} more` : '';
  const source =
    first.kind === 'children' ? '' : ` [rule ${first.rule} of policy ${first.policy}, ${first.scope}]`;
  const room = SUMMARY_MAX - source.length - more.length;
  const reason = first.reason.length > room ? `${first.reason.slice(0, room - 1)}…` : first.reason;
  return `${first.kind}: ${reason}${source}${more}`;
}

/** Worst first; then by where and what, so that the order says nothing about how the inputs came. */
function inOrder(results: readonly RuleResult[]): RuleResult[] {
  return results
    .map((result) => ({ result, key: orderKey(result) }))
    .sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0))
    .map(({ result }) => result);
}

function orderKey(result: RuleResult): string {
  const weight = { red: 0, pending: 1, amber: 2, green: result.outcome === 'pass' ? 3 : 4 }[stateOf(result)];
  return canonicalJson([weight, result.scope, result.policy, result.rule, result]);
}

function hashInputs(
  policies: readonly AttachedPolicy[],
  { context, scans, signatures }: Facts,
  results: readonly RuleResult[],
): string {
  const waitsForScan = results.some((result) => waits(result) && result.kind !== 'signature');
  const inputs = {
    evaluator: EVALUATOR_VERSION,
    policies: sortedJson(policies),
    evidence: sortedJson([...scans, ...signatures]),
    artifact: context.artifact,
    // Work under way matters only where a rule waits for it; a repeated scan of a judged image changes nothing yet.
    expected: {
      scan: context.expected.scan && waitsForScan,
      rematch: context.expected.rematch && waitsForScan,
      signature:
        context.expected.signature && results.some((result) => waits(result) && result.kind === 'signature'),
    },
    advisoriesLoaded: scans.some(({ evidence }) => evidence.state === 'no-data') && context.advisoriesLoaded,
    parents: [...context.parents].sort(),
    children: sortedJson(context.children),
    trustedKeys: sortedJson(context.trustedKeys),
  };
  return createHash('sha256').update(canonicalJson(inputs)).digest('hex');
}

function waits({ outcome, kind }: RuleResult): boolean {
  return outcome === 'pending' && kind !== 'children';
}

function sortedJson(items: readonly unknown[]): string[] {
  return items.map(canonicalJson).sort();
}
