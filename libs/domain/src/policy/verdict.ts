export type VerdictState = 'green' | 'amber' | 'red' | 'pending';

/** What one rule of one policy says of an artifact. */
export interface RuleResult {
  readonly policy: string;
  readonly policyVersion: number;
  readonly rule: string;
  readonly kind: string;
  readonly mode: 'enforce' | 'audit';
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
  /** Rule and reason in one line; null when green. */
  readonly summary: string | null;
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
