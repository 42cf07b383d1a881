/**
 * Steps of a push at which a crash must lose nothing that was acknowledged and show nothing that was not. Fault tests
 * end the process there.
 */
export type PushCheckpoint =
  /** Bytes of an upload were written, and nothing of that is recorded. */
  | 'upload.appended'
  /** The progress of an upload is recorded, and the client has no answer. */
  | 'upload.recorded'
  /** The finished object is durable, and no blob claims it. */
  | 'upload.synced'
  /** The blob is committed, and the client has no answer. */
  | 'blob.committed'
  /** Every statement of a manifest push has run, and nothing is committed. */
  | 'manifest.before-commit'
  /** The manifest is committed, and the client has no answer. */
  | 'manifest.after-commit';

export type Checkpoint = (point: PushCheckpoint) => void;
