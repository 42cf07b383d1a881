import type { StorageState, StoredUpload } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import type { WrappedKey } from '../key-encryption-keys.ts';
import { HEADER_BYTES, SEGMENT_BYTES, STORED_SEGMENT_BYTES } from './layout.ts';
import { SIDE_OVERHEAD_BYTES } from './object-cipher.ts';
import { PREFIX_BYTES, Runs } from './runs.ts';

/**
 * An encrypted upload between two appends. It is stored as JSON by the caller, so nothing in it is plain: the data key
 * is wrapped, and the bytes that are not a whole segment yet are encrypted.
 */
export interface UploadState {
  readonly header: Buffer;
  readonly key: WrappedKey;
  /** Which append wrote which of the complete segments. */
  readonly runs: Runs;
  /** How many segments are complete and in the storage. */
  readonly segments: number;
  /** Encrypted: what is beyond them. It is the last segment, unless another append comes. */
  readonly tail: Buffer;
  /** The prefix of the last segment when the upload is finished as it is; used for these very bytes only. */
  readonly lastPrefix: Buffer;
  /** Of the storage below. */
  readonly inner: StorageState;
}

export function tailPurpose(segments: number): string {
  return `tail ${segments}`;
}

/** How many bytes of the object are in the storage below. */
export function storedOffset(state: UploadState): number {
  return HEADER_BYTES + state.segments * STORED_SEGMENT_BYTES;
}

export function encodeState(state: UploadState): StorageState {
  return {
    version: 1,
    header: state.header.toString('base64'),
    domain: state.key.domain,
    keyId: state.key.keyId,
    wrappedKey: Buffer.from(state.key.wrapped).toString('base64'),
    runs: state.runs.encode().toString('base64'),
    segments: state.segments,
    tail: state.tail.toString('base64'),
    lastPrefix: state.lastPrefix.toString('base64'),
    inner: state.inner,
  };
}

/**
 * Null for an upload that nothing was appended to.
 *
 * @throws BlobStorageError UPLOAD_LOST when the state is not one of {@link encodeState}, or of another offset
 */
export function decodeState(upload: StoredUpload): UploadState | null {
  if (upload.state === null) {
    if (upload.offset === 0) return null;
    throw lost(upload, 'no state');
  }
  const fields: Record<string, unknown> = isFields(upload.state) ? upload.state : {};
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string') throw lost(upload, name);
    return value;
  };
  const bytes = (name: string): Buffer => Buffer.from(text(name), 'base64');
  const { version, segments, inner } = fields;
  if (version !== 1) throw lost(upload, 'version');
  if (typeof segments !== 'number' || !Number.isSafeInteger(segments)) throw lost(upload, 'segments');
  const state: UploadState = {
    header: bytes('header'),
    key: { domain: text('domain'), keyId: text('keyId'), wrapped: bytes('wrappedKey') },
    runs: Runs.decode(bytes('runs')),
    segments,
    tail: bytes('tail'),
    lastPrefix: bytes('lastPrefix'),
    inner: (inner ?? null) as StorageState,
  };
  const offset = state.segments * SEGMENT_BYTES + state.tail.length - SIDE_OVERHEAD_BYTES;
  if (offset !== upload.offset) throw lost(upload, 'offset');
  if (state.header.length !== HEADER_BYTES) throw lost(upload, 'header');
  if (state.lastPrefix.length !== PREFIX_BYTES) throw lost(upload, 'lastPrefix');
  return state;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function lost(upload: StoredUpload, detail: string): BlobStorageError {
  return new BlobStorageError('UPLOAD_LOST', 'what is known of the upload does not fit its offset', {
    detail: `${upload.key}: ${detail}`,
  });
}
