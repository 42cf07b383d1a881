/** Every part of a multipart upload but the last must have so many bytes (S3, "Multipart upload limits"). */
export const PART_BYTES_MIN = 5 * 1_048_576;
export const PARTS_MAX = 10_000;
export const DEFAULT_PART_BYTES = 8 * 1_048_576;

const PART_BYTES_MAX = 5 * 1_073_741_824;
const PARTS_OF_A_SIZE = 1_000;

/**
 * Size of part `number` (from 1). The size of an upload is not known while it goes on, so parts start small and double
 * every 1,000: a layer of 8 GiB takes buffers of 8 MiB, and the 10,000 parts that S3 allows hold 5 TiB all the same.
 */
export function partBytes(number: number, firstBytes: number): number {
  return Math.min(PART_BYTES_MAX, firstBytes * 2 ** Math.floor((number - 1) / PARTS_OF_A_SIZE));
}

/**
 * From how many bytes on the rest of an append becomes part `number`, although it is smaller than others. What is less
 * waits beside the upload for the next append. A quarter, so that an upload of many short chunks does not run out of
 * numbers either.
 */
export function shortPartBytes(number: number, firstBytes: number): number {
  return Math.max(PART_BYTES_MIN, partBytes(number, firstBytes) / 4);
}
