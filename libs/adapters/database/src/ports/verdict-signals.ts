/** Waiting for the next verdict of one artifact. Belongs to whoever opened it, and must be closed. */
export interface VerdictWatch {
  /**
   * Resolves true when a verdict of the artifact was stored since the watch was opened or since the last true, false
   * after `timeoutMs` or when `signal` aborts. Never rejects. True may be spurious: read the verdict again.
   */
  next(timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  close(): void;
}

/**
 * Tells a waiting pull that a verdict was stored, on whichever replica that happened.
 *
 * Whoever stores a verdict runs `SELECT pg_notify('sluice_verdict', '<manifest id>')` in the same transaction, the id
 * written as PostgreSQL writes a uuid. To lose no signal, open the watch first, then read the verdict, then wait.
 */
export abstract class VerdictSignals {
  /** Opens a watch on the verdict of one artifact (row of `manifest`). */
  abstract watch(manifestId: string): VerdictWatch;
}

/** Channel of PostgreSQL's NOTIFY that {@link VerdictSignals} travel on. */
export const VERDICT_CHANNEL = 'sluice_verdict';
