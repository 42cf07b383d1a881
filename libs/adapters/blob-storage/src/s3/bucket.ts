import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ObjectRange } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import { GuardedBody } from './guarded-body.ts';
import { createClient, timeoutMsOf, withHeaders } from './s3-client.ts';
import { isBlobStorageError, typedError } from './s3-errors.ts';
import type { S3Options } from './s3-options.ts';
import type { Part } from './upload-state.ts';

export interface ListedObject {
  readonly key: string;
  readonly changedAt: Date;
}

export interface ListedUpload extends ListedObject {
  readonly uploadId: string;
}

const CHECK_MS = 5_000;
/** The slowest connection that is waited for. */
const BYTES_PER_MS_MIN = 2_000;

/**
 * The verbs of S3 that blob storage needs, on one bucket. Each is tried several times, ends within a time that its size
 * bounds, and fails with a BlobStorageError only.
 */
export class Bucket {
  readonly #client: S3Client;
  readonly #publicClient: S3Client;
  readonly #name: string;
  readonly #timeoutMs: number;

  constructor(options: S3Options) {
    this.#client = createClient(options);
    this.#publicClient = createClient(
      { ...options, endpoint: options.publicEndpoint ?? options.endpoint },
      true,
    );
    this.#name = options.bucket;
    this.#timeoutMs = timeoutMsOf(options);
  }

  close(): void {
    this.#client.destroy();
    this.#publicClient.destroy();
  }

  /** Whether the bucket answers, within a time that a check of readiness can wait. */
  async check(): Promise<void> {
    const command = new HeadBucketCommand({ Bucket: this.#name });
    const abortSignal = AbortSignal.timeout(Math.min(this.#timeoutMs, CHECK_MS));
    await this.#call('cannot reach the bucket', 0, (options) =>
      this.#client.send(command, { ...options, abortSignal }),
    );
  }

  /** @param claims headers in place of those that describe `body`, to see whether the store checks them */
  async put(key: string, body: Buffer, claims: Readonly<Record<string, string>> = {}): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#name,
      Key: key,
      Body: body,
      ContentLength: body.length,
    });
    command.middlewareStack.add(withHeaders(claims), { step: 'build' });
    await this.#call('cannot store the upload', body.length, (options) =>
      this.#client.send(command, options),
    );
  }

  /** @throws BlobStorageError OBJECT_MISSING, STORAGE_FAILED; the stream fails with STORAGE_FAILED */
  async get(key: string, range?: ObjectRange): Promise<GuardedBody> {
    const command = new GetObjectCommand({
      Bucket: this.#name,
      Key: key,
      ...(range === undefined ? {} : { Range: `bytes=${range.first}-${range.last}` }),
    });
    const doing = 'cannot read the blob';
    // No deadline for the whole: a large object may take its time, as long as it goes on.
    const answer = await this.#client.send(command).catch((error: unknown) => {
      throw typedError(doing, error);
    });
    const body = answer.Body as Readable | undefined;
    const bytes = answer.ContentLength;
    const expected = range === undefined ? bytes : range.last - range.first + 1;
    const isWhole = range !== undefined && answer.$metadata.httpStatusCode !== 206;
    if (body === undefined || bytes === undefined || bytes !== expected || isWhole) {
      body?.destroy();
      throw new BlobStorageError(
        'STORAGE_FAILED',
        `${doing}: the object store answers other bytes than asked`,
        {
          detail: `status ${answer.$metadata.httpStatusCode}, ${bytes} bytes instead of ${expected}`,
        },
      );
    }
    return new GuardedBody(body, bytes, this.#timeoutMs);
  }

  /** Null when there is no such object. */
  async size(key: string): Promise<number | null> {
    const command = new HeadObjectCommand({ Bucket: this.#name, Key: key });
    try {
      const { ContentLength } = await this.#call('cannot look at the blob', 0, (options) =>
        this.#client.send(command, options),
      );
      return ContentLength ?? null;
    } catch (error) {
      if (isBlobStorageError(error, 'OBJECT_MISSING')) return null;
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#name, Key: key });
    await ignoring(['OBJECT_MISSING'], () =>
      this.#call('cannot remove the blob', 0, (options) => this.#client.send(command, options)),
    );
  }

  async createUpload(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ Bucket: this.#name, Key: key });
    const { UploadId } = await this.#call('cannot begin the upload', 0, (options) =>
      this.#client.send(command, options),
    );
    if (UploadId === undefined)
      throw new BlobStorageError('STORAGE_FAILED', 'the object store begins no upload');
    return UploadId;
  }

  /** @throws BlobStorageError UPLOAD_LOST when the multipart upload is gone */
  async uploadPart(key: string, uploadId: string, number: number, body: Buffer): Promise<Part> {
    const command = new UploadPartCommand({
      Bucket: this.#name,
      Key: key,
      UploadId: uploadId,
      PartNumber: number,
      Body: body,
      ContentLength: body.length,
    });
    const { ETag } = await this.#callUpload('cannot store the upload', body.length, (options) =>
      this.#client.send(command, options),
    );
    if (ETag === undefined) throw new BlobStorageError('STORAGE_FAILED', 'the object store names no part');
    return { etag: ETag, bytes: body.length };
  }

  /** @throws BlobStorageError UPLOAD_LOST when the multipart upload is gone, as it is after it was completed */
  async completeUpload(key: string, uploadId: string, parts: readonly Part[]): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      Bucket: this.#name,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map(({ etag }, index) => ({ ETag: etag, PartNumber: index + 1 })) },
    });
    await this.#callUpload('cannot finish the upload', 0, (options) => this.#client.send(command, options));
  }

  async abortUpload(key: string, uploadId: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ Bucket: this.#name, Key: key, UploadId: uploadId });
    await ignoring(['UPLOAD_LOST', 'OBJECT_MISSING'], () =>
      this.#callUpload('cannot remove the upload', 0, (options) => this.#client.send(command, options)),
    );
  }

  /** Unfinished multipart uploads whose key begins with `prefix`, with the time of their begin. */
  async *uploads(prefix: string): AsyncIterable<ListedUpload> {
    let marker: { KeyMarker: string; UploadIdMarker: string } | undefined;
    do {
      const command = new ListMultipartUploadsCommand({ Bucket: this.#name, Prefix: prefix, ...marker });
      const page = await this.#call('cannot list the uploads', 0, (options) =>
        this.#client.send(command, options),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key !== undefined && UploadId !== undefined && Initiated !== undefined) {
          yield { key: Key, uploadId: UploadId, changedAt: Initiated };
        }
      }
      marker =
        page.IsTruncated === true && page.NextKeyMarker !== undefined
          ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker ?? '' }
          : undefined;
    } while (marker !== undefined);
  }

  /** When the last part of a multipart upload came; null when it has none or is gone. */
  async lastPartAt(key: string, uploadId: string): Promise<Date | null> {
    let last: Date | null = null;
    let marker: string | undefined;
    do {
      const command = new ListPartsCommand({
        Bucket: this.#name,
        Key: key,
        UploadId: uploadId,
        ...(marker === undefined ? {} : { PartNumberMarker: marker }),
      });
      const page = await ignoring(['UPLOAD_LOST', 'OBJECT_MISSING'], () =>
        this.#callUpload('cannot list the uploads', 0, (options) => this.#client.send(command, options)),
      );
      for (const { LastModified } of page?.Parts ?? []) {
        if (LastModified !== undefined && (last === null || LastModified > last)) last = LastModified;
      }
      marker = page?.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return last;
  }

  async *objects(prefix: string): AsyncIterable<ListedObject> {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#name,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#call('cannot list the uploads', 0, (options) =>
        this.#client.send(command, options),
      );
      for (const { Key, LastModified } of page.Contents ?? []) {
        if (Key !== undefined && LastModified !== undefined) yield { key: Key, changedAt: LastModified };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** A URL that lets whoever has it GET the object for so long, as clients reach the store. */
  async signedUrl(key: string, seconds: number): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#name,
      Key: key,
      ResponseContentType: 'application/octet-stream',
    });
    return getSignedUrl(this.#publicClient, command, { expiresIn: seconds });
  }

  /** As {@link #call}, for requests on a multipart upload: one that is not found is lost. */
  async #callUpload<Answer>(
    doing: string,
    bytes: number,
    send: (options: SendOptions) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await this.#call(doing, bytes, send);
    } catch (error) {
      if (!isBlobStorageError(error, 'OBJECT_MISSING')) throw error;
      throw new BlobStorageError('UPLOAD_LOST', 'bytes of the upload are missing in the storage', {
        cause: error,
      });
    }
  }

  /** Headers must come within the time-out at each try; the whole, with the body of the answer, within three. */
  async #call<Answer>(
    doing: string,
    bytes: number,
    send: (options: SendOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const requestTimeout = this.#timeoutMs + Math.ceil(bytes / BYTES_PER_MS_MIN);
    try {
      return await send({ requestTimeout, abortSignal: AbortSignal.timeout(3 * requestTimeout) });
    } catch (error) {
      throw typedError(doing, error);
    }
  }
}

interface SendOptions {
  readonly requestTimeout: number;
  readonly abortSignal: AbortSignal;
}

async function ignoring<Answer>(
  codes: readonly BlobStorageError['code'][],
  work: () => Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isBlobStorageError(error, ...codes)) return undefined;
    throw error;
  }
}
