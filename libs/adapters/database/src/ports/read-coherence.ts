/** What processes must not answer from memory any more. */
export type Forgotten =
  | { readonly kind: 'repository'; readonly id: string }
  | { readonly kind: 'principal'; readonly id: string }
  | { readonly kind: 'everything' };

/**
 * Keeps what processes remember of the database true.
 *
 * Everything that takes something away (a tag moved or deleted, a verdict that changed, rules that changed,
 * a principal that lost rights) is told to every process from within its own transaction. A process may answer from
 * memory only while it is sure to be told: its lease says so, and ends by itself when the process cannot renew it.
 */
export abstract class ReadCoherence {
  /** Whether this process may answer from memory now. Cheap; ask for every answer. */
  abstract get isAssured(): boolean;

  /**
   * Rises with everything that had to be forgotten. What was read may be remembered only if this did not change
   * between the beginning of the read and its end.
   */
  abstract get generation(): number;

  /** Has the handler told of all that must be forgotten, in the order of the transactions. */
  abstract onForget(handler: (forgotten: Forgotten) => void): void;

  /**
   * Resolves when no process answers any more from what held before the caller's last committed transaction. Takes as
   * long as the slowest process, and no longer than the lease of one that died.
   */
  abstract settle(): Promise<void>;

  abstract close(): Promise<void>;
}
