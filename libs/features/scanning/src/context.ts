/** What work gets from whoever runs it; a job's context fits. */
export interface WorkContext {
  readonly signal: AbortSignal;
  /** `total` is null while nobody can tell; `unit` is a plural noun. */
  progress(done: number, total: number | null, unit: string): void;
}

/** Steps of a scan at which a crash must lose nothing and show nothing half-done. Fault tests end the process there. */
export type ScanCheckpoint =
  /** A layer was read and its record is committed. */
  | 'scan.layer-recorded'
  /** All layers are known, and nothing is said of the image. */
  | 'scan.before-evidence'
  /** The evidence is committed, and the job does not know. */
  | 'scan.after-evidence'
  /** All records of an import are written, and nothing is committed. */
  | 'advisories.before-commit';

export type Checkpoint = (name: ScanCheckpoint) => Promise<void> | void;

export const NO_CHECKPOINT: Checkpoint = () => {};
