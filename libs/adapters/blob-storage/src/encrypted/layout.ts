import { BlobStorageError } from '../errors.ts';
import type { ObjectRange } from '../blob-storage.ts';

/**
 * What an encrypted object looks like in the storage:
 *
 *     header    "SLUICE" | version 1 | algorithm 1 (AES-256-GCM) | log2 of the segment size | 7 zero bytes | salt, 16 bytes
 *     segment   ciphertext of 65536 bytes | tag, 16 bytes
 *     …
 *     segment   ciphertext of 0 to 65536 bytes | tag, 16 bytes        the last one, empty only in an empty object
 *
 * Segment i of an object lies at 32 + i·65552, so that every range is found by arithmetic.
 */
export const HEADER_BYTES = 32;
export const SEGMENT_BYTES = 65_536;
export const TAG_BYTES = 16;
export const SALT_BYTES = 16;
export const STORED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES;

const MAGIC = Buffer.from('SLUICE', 'latin1');
const FORMAT = Buffer.from([1, 1, Math.log2(SEGMENT_BYTES), 0, 0, 0, 0, 0, 0, 0]);

export function headerOf(salt: Uint8Array): Buffer {
  return Buffer.concat([MAGIC, FORMAT, salt]);
}

/** Whether these first bytes of an object are those of an encrypted one. */
export function looksEncrypted(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/** @throws BlobStorageError OBJECT_TAMPERED when it is no header, or one of a version that is not known here */
export function checkHeader(header: Uint8Array): void {
  const known = headerOf(header.subarray(HEADER_BYTES - SALT_BYTES));
  if (header.length === HEADER_BYTES && known.equals(header)) return;
  throw new BlobStorageError(
    'OBJECT_TAMPERED',
    'the object does not begin as an encrypted object of version 1 does',
  );
}

/** How many segments hold that many bytes. An empty object has one, which proves that it is empty. */
export function segmentCount(sizeBytes: number): number {
  return Math.max(1, Math.ceil(sizeBytes / SEGMENT_BYTES));
}

export function storedSize(sizeBytes: number): number {
  return HEADER_BYTES + sizeBytes + segmentCount(sizeBytes) * TAG_BYTES;
}

/** Which segments hold a range, and where it lies in them and in the storage. */
export interface Slice {
  readonly firstSegment: number;
  readonly lastSegment: number;
  /** Bytes of the first segment before the range. */
  readonly skip: number;
  /** Bytes of the range. */
  readonly length: number;
  readonly stored: ObjectRange;
}

/** @param range lies within the object, as {@link BlobStorage.read} demands */
export function sliceOf(sizeBytes: number, range: ObjectRange): Slice {
  const firstSegment = Math.floor(range.first / SEGMENT_BYTES);
  const lastSegment = Math.floor(range.last / SEGMENT_BYTES);
  return {
    firstSegment,
    lastSegment,
    skip: range.first - firstSegment * SEGMENT_BYTES,
    length: range.last - range.first + 1,
    stored: {
      first: HEADER_BYTES + firstSegment * STORED_SEGMENT_BYTES,
      last: Math.min(HEADER_BYTES + (lastSegment + 1) * STORED_SEGMENT_BYTES, storedSize(sizeBytes)) - 1,
    },
  };
}

/** How many bytes of content a segment holds. */
export function segmentBytes(sizeBytes: number, index: number): number {
  return Math.min(SEGMENT_BYTES, sizeBytes - index * SEGMENT_BYTES);
}
