/** One pull that the gate refused. */
export interface Denial {
  readonly at: Date;
  /** Row of `principal`, null for anonymous. */
  readonly principalId: string | null;
  readonly principalName: string;
  /** Jti of the Bearer token or id of the secret that was used; for the audit record. */
  readonly tokenId: string | null;
  readonly repository: string;
  /** What was asked for, as the client wrote it: a tag, or a digest of a manifest or blob. */
  readonly reference: string;
  /** The digest behind `reference`. */
  readonly digest: string | null;
  /** Kind of the rule that refused: the word before the first ":" of `reason`, `gate` when no verdict exists. */
  readonly rule: string;
  readonly reason: string;
  /** Id of the verdict that refused, without prefix; null when no judged artifact brings the content. */
  readonly verdictId: string | null;
  readonly clientAddress: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

/**
 * Remembers refused pulls, for the list of denials and the audit.
 *
 * {@link record} is called on the way of an answer: it returns at once and never throws. An implementation collects
 * denials and writes them in batches soon after; what it cannot write it counts and logs. `close()` writes what is
 * left.
 */
export abstract class DenialLog {
  abstract record(denial: Denial): void;
  abstract close(): Promise<void>;
}
