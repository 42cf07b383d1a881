import { SluiceError } from '../errors.ts';

export type PolicyErrorCode =
  'policy-invalid' | 'policy-unknown' | 'policy-changed' | 'policy-protected' | 'policy-node-unknown';

/** One fault of a policy document. */
export interface PolicyProblem {
  /** Where it is: `spec.rules[0].severities`; empty for the document as a whole. */
  readonly path: string;
  /** What was given, what is allowed, and what may have been meant, in one sentence. */
  readonly message: string;
}

export class PolicyError extends SluiceError<PolicyErrorCode> {
  readonly code: PolicyErrorCode;
  /** Every fault of the document, for `policy-invalid`. */
  readonly problems: readonly PolicyProblem[];

  constructor(code: PolicyErrorCode, message: string, problems: readonly PolicyProblem[] = []) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}
