/** From best to worst; the state of an artifact is the worst that any rule says. */
export const VERDICT_STATES = ['green', 'amber', 'pending', 'red'] as const;
export type VerdictState = (typeof VERDICT_STATES)[number];

/** What one rule of one policy says of an artifact. */
export interface RuleResult {
  /** Where the policy is attached: a node path, or `installation`. */
  readonly scope: string;
  readonly policy: string;
  readonly policyVersion: number;
  readonly rule: string;
  /** The rule's kind, or `children` for what an index takes over from what it names. */
  readonly kind: string;
  readonly mode: 'enforce' | 'audit';
  /** A rule in audit mode says `warn` where it would refuse; when it is pending it holds nobody up. */
  readonly outcome: 'pass' | 'warn' | 'fail' | 'pending' | 'not-applicable';
  /** One sentence for a person. */
  readonly reason: string;
  readonly expected: string;
  readonly found: string;
  /** Ids of the evidence that decided it. */
  readonly evidence: readonly string[];
  /** Who can change the outcome, e.g. "a developer of team/app: update openssl to 3.0.11". */
  readonly remedy: string | null;
}

/** The part of a verdict that a gate needs; what the data plane reads in its one query. */
export interface StoredVerdict {
  readonly id: string;
  readonly state: VerdictState;
  /** One line that starts with the kind of the rule that decided, then its reason; null when green. */
  readonly summary: string | null;
}

/** The worst of them, green of none. */
export function worstState(states: Iterable<VerdictState>): VerdictState {
  let worst: VerdictState = 'green';
  for (const state of states) {
    if (VERDICT_STATES.indexOf(state) > VERDICT_STATES.indexOf(worst)) worst = state;
  }
  return worst;
}

/**
 * Whether an artifact is refused for want of signatures and for nothing else. Who may push it must then be able to
 * read its manifest, or nobody could ever sign it, also while other rules still wait, as anything pending may be read.
 * What an index takes over from its children does not count: its manifest names them and brings none of their content.
 */
export function lacksOnlySignatures(results: readonly RuleResult[]): boolean {
  const failed = results.filter(({ outcome }) => outcome === 'fail');
  return (
    failed.some(({ kind }) => kind === 'signature') &&
    failed.every(({ kind }) => kind === 'signature' || kind === 'children')
  );
}

/** What a gate does with one request. */
export type GateDecision =
  | { readonly kind: 'allow' }
  | { readonly kind: 'warn'; readonly message: string }
  | { readonly kind: 'hold'; readonly verdictId: string; readonly reason: string }
  | { readonly kind: 'deny'; readonly verdictId: string | null; readonly reason: string };

/**
 * The only place where a stored verdict becomes an answer. Closed by default: no verdict, no pull.
 */
export function decideGate(verdict: StoredVerdict | null): GateDecision {
  if (verdict === null)
    return { kind: 'deny', verdictId: null, reason: 'gate: no judged artifact brings this content' };
  switch (verdict.state) {
    case 'green':
      return { kind: 'allow' };
    case 'amber':
      return { kind: 'warn', message: verdict.summary ?? 'allowed with a warning' };
    case 'pending':
      return { kind: 'hold', verdictId: verdict.id, reason: verdict.summary ?? 'the verdict is pending' };
    case 'red':
      return { kind: 'deny', verdictId: verdict.id, reason: verdict.summary ?? 'refused by policy' };
  }
}
