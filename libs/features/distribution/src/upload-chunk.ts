import type { Checkpoint, UploadSession } from '@sluice/database';
import { type ByteRange, OciError } from '@sluice/domain/oci';
import type { RunningHash } from './running-hashes.ts';
import type { WriteHold } from './writer-lease.ts';

export interface UploadStatus {
  readonly id: string;
  /** Bytes that need not be sent again. */
  readonly offsetBytes: number;
}

/** A chunk of an upload as it comes from the network. */
export interface Chunk {
  readonly body: AsyncIterable<Uint8Array>;
  /** Where the client says that it belongs; null: at the end of what is there. */
  readonly range: ByteRange | null;
  /** How many bytes the client has announced, null when it has not. */
  readonly lengthBytes: number | null;
  /** Asked when the last chunk has come, maybe long after whoever sends it was let in: throws when it no longer may push. */
  readonly assertAllowed: () => Promise<void>;
}

/** The chunk does not continue the upload. */
export class UploadOutOfOrder extends OciError {
  readonly status: UploadStatus;

  constructor(message: string, status: UploadStatus) {
    super('RANGE_INVALID', message);
    this.status = status;
  }
}

/** The chunk is not what it says, so nothing of it counts. */
export class ChunkRefused extends OciError {
  constructor(message: string) {
    super('SIZE_INVALID', message);
  }
}

/**
 * Whether the chunk continues the session.
 *
 * @returns the number of bytes that the chunk must have, null when any will do
 * @throws UploadOutOfOrder, ChunkRefused
 */
export function checkRange(session: UploadSession, { range, lengthBytes }: Chunk): number | null {
  if (range === null) return null;
  if (range.first !== session.offsetBytes) {
    throw new UploadOutOfOrder(
      `the chunk begins at byte ${range.first}; the upload continues at byte ${session.offsetBytes}`,
      { id: session.id, offsetBytes: session.offsetBytes },
    );
  }
  const expected = range.last - range.first + 1;
  if (lengthBytes !== null && lengthBytes !== expected) {
    throw new ChunkRefused(`Content-Range announces ${expected} bytes, Content-Length ${lengthBytes}`);
  }
  return expected;
}

/** So much of a chunk is more than any storage keeps in memory. */
const RECEIVED_BYTES = 12 * 1_048_576;

/**
 * Hashes what passes, once, and holds the chunk to its announced length.
 *
 * @throws ChunkRefused, and what `lease` throws when the session is lost
 */
export async function* metered(
  body: AsyncIterable<Uint8Array>,
  hash: RunningHash | undefined,
  expected: number | null,
  lease: WriteHold,
  checkpoint: Checkpoint,
): AsyncIterable<Uint8Array> {
  let received = 0;
  for await (const chunk of body) {
    if (!lease.isHeld) await lease.hold();
    received += chunk.length;
    if (expected !== null && received > expected) {
      throw new ChunkRefused(`the chunk is longer than the ${expected} bytes of its Content-Range`);
    }
    hash?.update(chunk);
    yield chunk;
    if (received > RECEIVED_BYTES) checkpoint('upload.receiving');
  }
  if (expected !== null && received < expected) {
    throw new ChunkRefused(`the chunk has ${received} bytes; its Content-Range announces ${expected}`);
  }
}

export function unknownUpload(cause?: unknown): OciError {
  return new OciError(
    'BLOB_UPLOAD_UNKNOWN',
    'there is no such upload: it was finished, cancelled or has expired',
    cause === undefined ? {} : { cause },
  );
}
