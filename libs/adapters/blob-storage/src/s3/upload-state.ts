import type { StorageState, StoredUpload } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';

export interface Part {
  readonly etag: string;
  readonly bytes: number;
}

/** What is too short to be a part, until more comes or the upload ends. */
export interface Tail {
  /** Names the object among the tails of the upload. */
  readonly id: string;
  readonly bytes: number;
  /** In hex. The digest of the blob was taken before the tail was stored, so it does not cover its way back. */
  readonly sha256: string;
}

/** All that is known of an unfinished upload; part n of the multipart upload is `parts[n - 1]`. */
export interface UploadState {
  /** Null while nothing was long enough to be a part. */
  readonly uploadId: string | null;
  readonly parts: readonly Part[];
  readonly tail: Tail | null;
  /** Bytes of the object when it is stored under its key already, because nothing was to come after it. */
  readonly whole: number | null;
  /** The tail before this one: needed until the caller has recorded this state, and of no use from then on. */
  readonly staleTail: string | null;
}

const NOTHING: UploadState = { uploadId: null, parts: [], tail: null, whole: null, staleTail: null };

/** @throws BlobStorageError UPLOAD_LOST when the state does not hold `upload.offset` bytes; STORAGE_FAILED */
export function parseUploadState(upload: StoredUpload): UploadState {
  const state = upload.state === null ? NOTHING : parse(upload);
  if (storedBytes(state) !== upload.offset) throw uploadLost(upload.key);
  return state;
}

export function printUploadState(state: UploadState): StorageState {
  const { uploadId, parts, tail, whole, staleTail } = state;
  if (uploadId === null && tail === null && whole === null && staleTail === null) return null;
  return {
    uploadId,
    parts: parts.map(({ etag, bytes }) => [etag, bytes]),
    tail: tail === null ? null : { ...tail },
    whole,
    staleTail,
  };
}

/** How many bytes are stored. */
export function storedBytes({ parts, tail, whole }: UploadState): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, (tail?.bytes ?? 0) + (whole ?? 0));
}

export function uploadLost(key: string, cause?: unknown): BlobStorageError {
  return new BlobStorageError('UPLOAD_LOST', 'bytes of the upload are missing in the storage', {
    detail: key,
    ...(cause === undefined ? {} : { cause }),
  });
}

function parse({ key, state }: StoredUpload): UploadState {
  if (isRecord(state)) {
    const { uploadId, parts, tail, whole, staleTail } = state;
    const readParts = Array.isArray(parts) ? parts.map(parsePart) : [null];
    const readTail = tail === null ? null : parseTail(tail);
    if (
      isTextOrNull(uploadId) &&
      isTextOrNull(staleTail) &&
      (whole === null || typeof whole === 'number') &&
      readTail !== undefined &&
      readParts.every((part) => part !== null)
    ) {
      return { uploadId, parts: readParts, tail: readTail, whole, staleTail };
    }
  }
  throw new BlobStorageError('STORAGE_FAILED', 'the upload was begun in another kind of blob storage', {
    detail: key,
  });
}

function parsePart(value: StorageState): Part | null {
  if (!Array.isArray(value)) return null;
  const [etag, bytes] = value;
  return typeof etag === 'string' && typeof bytes === 'number' ? { etag, bytes } : null;
}

function parseTail(value: StorageState | undefined): Tail | undefined {
  if (!isRecord(value)) return undefined;
  const { id, bytes, sha256 } = value;
  if (typeof id !== 'string' || typeof bytes !== 'number' || typeof sha256 !== 'string') return undefined;
  return { id, bytes, sha256 };
}

function isRecord(value: StorageState | undefined): value is { [key: string]: StorageState } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextOrNull(value: StorageState | undefined): value is string | null {
  return value === null || typeof value === 'string';
}
