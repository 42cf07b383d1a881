/** A queued job that was sent on, to be run in `delaySeconds` (0: now). */
export interface DispatchedJob {
  readonly id: string;
  readonly kind: string;
  readonly delaySeconds: number;
  /** The planned start in microseconds; with the id it names this wait of the job and no later one. */
  readonly startMicros: string;
}

/**
 * The ledger as somebody sees it who hands jobs to a message broker. That a job was sent is a note with an end and no
 * promise: whatever the broker does with its messages, a job whose note has ended is sent again, and whether it may
 * run is decided by {@link JobQueue.claim} alone.
 */
export abstract class JobDispatch {
  /**
   * Notes jobs as sent for `noteSeconds` after their start and returns them, oldest first: at most `limits.get(kind)`
   * of each kind, which start within `horizonSeconds`, and whose kind and key are not running. Two callers never get the same.
   */
  abstract take(
    limits: ReadonlyMap<string, number>,
    horizonSeconds: number,
    noteSeconds: number,
  ): Promise<DispatchedJob[]>;

  /** Ends the notes of these kinds, or of all (null), and wakes whoever sends them. */
  abstract takeBack(kinds: readonly string[] | null): Promise<void>;

  /** Removes the notes that have ended. Returns how many. */
  abstract expire(): Promise<number>;
}
