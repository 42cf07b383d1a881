import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { BlobStorageError } from '../errors.ts';
import type { Bucket } from './bucket.ts';
import { PART_BYTES_MIN } from './part-sizes.ts';
import { describeFailure, isBlobStorageError } from './s3-errors.ts';

/** The part of {@link Bucket} that is looked at. */
export type ProbedBucket = Pick<
  Bucket,
  | 'check'
  | 'put'
  | 'get'
  | 'size'
  | 'delete'
  | 'createUpload'
  | 'uploadPart'
  | 'completeUpload'
  | 'abortUpload'
  | 'uploads'
  | 'objects'
>;

const OBJECT_BYTES = 70_003;

/**
 * Tries everything that blob storage relies on, on keys that begin with `key`, and leaves nothing behind.
 *
 * @throws BlobStorageError STORAGE_FAILED with what the store did and should not have done
 */
export async function probeStore(bucket: ProbedBucket, key: string): Promise<void> {
  try {
    await bucket.check();
    await probeObject(bucket, `${key}/object`);
    await probeChecksums(bucket, `${key}/checked`);
    await probeUpload(bucket, `${key}/upload`);
    await probeAbort(bucket, `${key}/aborted`);
  } catch (error) {
    if (error instanceof StoreLies) {
      throw new BlobStorageError(
        'STORAGE_FAILED',
        `the object store ${error.message}; blobs are not safe in it`,
      );
    }
    if (!(error instanceof BlobStorageError)) throw error;
    const why = error.detail === undefined ? '' : ` (${error.detail})`;
    throw new BlobStorageError('STORAGE_FAILED', `the object store cannot be used: ${error.message}${why}`, {
      cause: error,
    });
  }
}

/** The message completes "the object store ...". */
class StoreLies extends Error {}

async function probeObject(bucket: ProbedBucket, key: string): Promise<void> {
  const content = randomBytes(OBJECT_BYTES);
  await bucket.put(key, content);
  try {
    const read = await buffer(await bucket.get(key));
    if (!read.equals(content)) throw new StoreLies(describeDifference(content, read));
    if ((await bucket.size(key)) !== content.length) throw new StoreLies('answers HEAD with a wrong size');
    await probeRange(bucket, key, content);
    if (!(await isAnyOf(bucket.objects(key), (object) => object.key === key)))
      throw new StoreLies('does not list an object that it has');
  } finally {
    await bucket.delete(key);
  }
  if ((await bucket.size(key)) !== null) throw new StoreLies('still shows an object that was deleted');
}

async function probeRange(bucket: ProbedBucket, key: string, content: Buffer): Promise<void> {
  const range = { first: 1_000, last: 66_000 };
  let part: Buffer;
  try {
    part = await buffer(await bucket.get(key, range));
  } catch (error) {
    throw new StoreLies(`ignores ranges: ${describeFailure(error)}`);
  }
  if (!part.equals(content.subarray(range.first, range.last + 1)))
    throw new StoreLies('answers a range with other bytes');
}

/** Without TLS the hash in the signature is all that protects content on its way. */
async function probeChecksums(bucket: ProbedBucket, key: string): Promise<void> {
  const [content, other] = [randomBytes(1_000), randomBytes(1_000)];
  const claims = {
    'a wrong Content-MD5': { 'content-md5': createHash('md5').update(other).digest('base64') },
    'a wrong x-amz-content-sha256': {
      'x-amz-content-sha256': createHash('sha256').update(other).digest('hex'),
    },
  };
  for (const [what, headers] of Object.entries(claims)) {
    if (await isAccepted(() => bucket.put(key, content, headers))) {
      await bucket.delete(key);
      throw new StoreLies(`accepts content with ${what}`);
    }
    if ((await bucket.size(key)) !== null) throw new StoreLies(`keeps content that it refused for ${what}`);
  }
}

async function probeUpload(bucket: ProbedBucket, key: string): Promise<void> {
  const [first, second] = [randomBytes(PART_BYTES_MIN), randomBytes(3)];
  const uploadId = await bucket.createUpload(key);
  let isDone = false;
  try {
    const one = await bucket.uploadPart(key, uploadId, 1, first);
    const replaced = await bucket.uploadPart(key, uploadId, 2, randomBytes(5));
    const two = await bucket.uploadPart(key, uploadId, 2, second);
    if ((await bucket.size(key)) !== null)
      throw new StoreLies('shows a multipart upload before it is completed');
    if (!(await isAnyOf(bucket.uploads(key), (upload) => upload.uploadId === uploadId)))
      throw new StoreLies('does not list an unfinished multipart upload');
    // A writer that was thought dead may send its part late: then this is what keeps it out.
    if (await isAccepted(() => bucket.completeUpload(key, uploadId, [one, replaced])))
      throw new StoreLies('completes a multipart upload with parts that were replaced');
    await bucket.completeUpload(key, uploadId, [one, two]);
    isDone = true;
    const read = await buffer(await bucket.get(key));
    const whole = Buffer.concat([first, second]);
    if (read.length < whole.length) throw new StoreLies('loses parts of multipart uploads');
    if (!read.equals(whole)) throw new StoreLies(describeDifference(whole, read));
  } finally {
    if (!isDone) await bucket.abortUpload(key, uploadId);
    await bucket.delete(key);
  }
}

async function probeAbort(bucket: ProbedBucket, key: string): Promise<void> {
  const uploadId = await bucket.createUpload(key);
  const part = await bucket.uploadPart(key, uploadId, 1, randomBytes(100));
  await bucket.abortUpload(key, uploadId);
  if (await isAccepted(() => bucket.completeUpload(key, uploadId, [part]))) {
    await bucket.delete(key);
    throw new StoreLies('completes a multipart upload that was aborted');
  }
}

/** False when the store refuses; a store that does not answer at all is another matter. */
async function isAccepted(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isBlobStorageError(error, 'STORAGE_FAILED', 'UPLOAD_LOST', 'OBJECT_MISSING')) return false;
    throw error;
  }
}

async function isAnyOf<Item>(items: AsyncIterable<Item>, test: (item: Item) => boolean): Promise<boolean> {
  for await (const item of items) if (test(item)) return true;
  return false;
}

/** What a store has made of content, as far as it can be told. */
export function describeDifference(stored: Buffer, read: Buffer): string {
  if (
    /;chunk-signature=|\r\nx-amz-(?:trailer|checksum)/i.test(read.toString('latin1')) ||
    framed(stored, read)
  ) {
    return 'keeps the aws-chunked framing of an upload as content';
  }
  if (read.length < stored.length) {
    return `returns ${read.length} bytes of an object of ${stored.length}`;
  }
  if (read.length > stored.length) {
    return `returns ${read.length} bytes for an object of ${stored.length}`;
  }
  return 'returns other bytes than were stored';
}

/** A chunk header is the length in hex and a line end. */
function framed(stored: Buffer, read: Buffer): boolean {
  return read.length > stored.length && read.subarray(0, 10).toString('latin1').includes('\r\n');
}
