/**
 * Steps of a push or a delete at which a crash must lose nothing that was acknowledged and show nothing that was not. Fault tests
 * end the process there.
 */
export type CheckpointName =
  /** The session of an upload is there, and the client has no answer. */
  | 'upload.started'
  /** So much of a chunk has arrived that a part of it is in the storage. */
  | 'upload.receiving'
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
  | 'manifest.after-commit'
  /** The session of a cancelled or refused upload is gone, and its bytes are there. */
  | 'upload.discarded'
  /** The bytes of an expired upload are gone, and its session is there. */
  | 'upload.swept'
  /** Every statement of the delete has run, and nothing is committed. */
  | 'blob.before-delete'
  | 'manifest.before-delete'
  /** The delete is committed, and the client has no answer. */
  | 'blob.deleted'
  | 'manifest.deleted'
  | 'tag.deleted';

export type Checkpoint = (point: CheckpointName) => void;
