import { S3ServiceException } from '@aws-sdk/client-s3';
import { BlobStorageError } from '../errors.ts';

const FULL = new Set([
  'QuotaExceeded',
  'InsufficientStorage',
  'InsufficientCapacity',
  'XMinioStorageFull',
  'ENOSPC',
]);
const REFUSED = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AuthorizationHeaderMalformed',
  'Forbidden',
]);
/** The multipart upload is no more, or has other parts than the caller's books say. */
const LOST = new Set(['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']);

/**
 * What a failed request to the store means.
 *
 * @param doing as in "cannot store the upload"
 */
export function typedError(doing: string, cause: unknown): BlobStorageError {
  if (cause instanceof BlobStorageError) return cause;
  const { code, status } = answerOf(cause);
  const detail = describeFailure(cause);
  if (FULL.has(code) || status === 507) {
    return new BlobStorageError('STORAGE_FULL', 'the blob storage is full', { cause, detail });
  }
  if (LOST.has(code)) {
    return new BlobStorageError('UPLOAD_LOST', 'bytes of the upload are missing in the storage', {
      cause,
      detail,
    });
  }
  // Before 404, as a bucket that is gone says nothing of its objects.
  if (code === 'NoSuchBucket') {
    return new BlobStorageError('STORAGE_FAILED', `${doing}: the bucket does not exist`, { cause, detail });
  }
  if (code === 'NoSuchKey' || status === 404) {
    return new BlobStorageError('OBJECT_MISSING', `${doing}: it is not in the storage`, { cause, detail });
  }
  if (REFUSED.has(code) || status === 401 || status === 403) {
    return new BlobStorageError('STORAGE_FAILED', `${doing}: the object store refuses the credentials`, {
      cause,
      detail,
    });
  }
  return new BlobStorageError('STORAGE_FAILED', `${doing}: the object store does not answer as it should`, {
    cause,
    detail,
  });
}

/** For logs and for who sets the store up: what it said. */
export function describeFailure(cause: unknown): string {
  const { code, status } = answerOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  return [status === undefined ? '' : `HTTP ${status}`, code, text === code ? '' : text]
    .filter((part) => part !== '')
    .join(' ');
}

export function isBlobStorageError(error: unknown, ...codes: BlobStorageError['code'][]): boolean {
  return error instanceof BlobStorageError && codes.includes(error.code);
}

/** The error code and status of the store's answer; the code of the connection when there was none. */
function answerOf(cause: unknown): { readonly code: string; readonly status: number | undefined } {
  if (cause instanceof S3ServiceException) {
    return { code: cause.name, status: cause.$metadata.httpStatusCode };
  }
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  return { code: code === '' && cause instanceof Error ? cause.name : code, status: undefined };
}
