import { S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { BlobStorageError } from '../errors.ts';
import { describeFailure, typedError } from './s3-errors.ts';

const answered = (name: string, httpStatusCode: number): S3ServiceException =>
  new S3ServiceException({
    name,
    $fault: 'server',
    message: 'as the store says',
    $metadata: { httpStatusCode },
  });

describe('a failed request to the store', () => {
  it.each([
    [answered('QuotaExceeded', 403), 'STORAGE_FULL', /full/],
    [answered('InsufficientStorage', 507), 'STORAGE_FULL', /full/],
    [answered('XMinioStorageFull', 507), 'STORAGE_FULL', /full/],
    [answered('NoSuchUpload', 404), 'UPLOAD_LOST', /missing/],
    [answered('InvalidPart', 400), 'UPLOAD_LOST', /missing/],
    [answered('NoSuchKey', 404), 'OBJECT_MISSING', /it is not in the storage/],
    [answered('NotFound', 404), 'OBJECT_MISSING', /it is not in the storage/],
    [answered('NoSuchBucket', 404), 'STORAGE_FAILED', /the bucket does not exist/],
    [answered('SignatureDoesNotMatch', 403), 'STORAGE_FAILED', /refuses the credentials/],
    [answered('Unknown', 403), 'STORAGE_FAILED', /refuses the credentials/],
    [answered('SlowDown', 503), 'STORAGE_FAILED', /does not answer as it should/],
    [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'STORAGE_FAILED', /does not answer/],
  ])('%s is %s', (cause, code, message) => {
    const error = typedError('cannot store the upload', cause);
    expect(error).toMatchObject({ code, cause, message: expect.stringMatching(message) as string });
  });

  it('that is understood already stays what it is', () => {
    const error = new BlobStorageError('UPLOAD_LOST', 'gone');
    expect(typedError('cannot store the upload', error)).toBe(error);
  });

  it('keeps what the store said for the log, and not for clients', () => {
    const error = typedError('cannot store the upload', answered('SlowDown', 503));
    expect(error.detail).toBe('HTTP 503 SlowDown as the store says');
    expect(error.message).not.toContain('as the store says');
    expect(describeFailure('text')).toBe('text');
  });
});
