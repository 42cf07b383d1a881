import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { ObjectRange } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import { GuardedBody } from './guarded-body.ts';
import { describeDifference, type ProbedBucket, probeStore } from './probe.ts';
import type { Part } from './upload-state.ts';

const refused = (): never => {
  throw new BlobStorageError('STORAGE_FAILED', 'refused');
};
const lost = (): never => {
  throw new BlobStorageError('UPLOAD_LOST', 'no such upload');
};

/** Keeps every promise; each test breaks one. */
class HonestStore implements ProbedBucket {
  readonly objectsByKey = new Map<string, Buffer>();
  readonly uploadsById = new Map<string, { key: string; parts: Map<number, Buffer> }>();

  async check(): Promise<void> {}

  async put(key: string, body: Buffer, claims: Readonly<Record<string, string>> = {}): Promise<void> {
    const { 'content-md5': md5, 'x-amz-content-sha256': sha256 } = claims;
    if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) refused();
    if (sha256 !== undefined && sha256 !== createHash('sha256').update(body).digest('hex')) refused();
    this.objectsByKey.set(key, body);
  }

  async get(key: string, range?: ObjectRange): Promise<GuardedBody> {
    const body = this.objectsByKey.get(key) ?? refused();
    const part = range === undefined ? body : body.subarray(range.first, range.last + 1);
    return new GuardedBody(Readable.from([part]), part.length, 1_000);
  }

  async size(key: string): Promise<number | null> {
    return this.objectsByKey.get(key)?.length ?? null;
  }

  async delete(key: string): Promise<void> {
    this.objectsByKey.delete(key);
  }

  async createUpload(key: string): Promise<string> {
    const id = String(this.uploadsById.size);
    this.uploadsById.set(id, { key, parts: new Map() });
    return id;
  }

  async uploadPart(_key: string, uploadId: string, number: number, body: Buffer): Promise<Part> {
    (this.uploadsById.get(uploadId) ?? lost()).parts.set(number, body);
    return { etag: createHash('md5').update(body).digest('hex'), bytes: body.length };
  }

  async completeUpload(key: string, uploadId: string, parts: readonly Part[]): Promise<void> {
    const upload = this.uploadsById.get(uploadId) ?? lost();
    const bodies = parts.map(({ etag }, index) => {
      const body = upload.parts.get(index + 1) ?? lost();
      return createHash('md5').update(body).digest('hex') === etag ? body : lost();
    });
    this.objectsByKey.set(key, Buffer.concat(bodies));
    this.uploadsById.delete(uploadId);
  }

  async abortUpload(_key: string, uploadId: string): Promise<void> {
    this.uploadsById.delete(uploadId);
  }

  async *uploads(prefix: string) {
    for (const [uploadId, { key }] of this.uploadsById)
      if (key.startsWith(prefix)) yield { key, uploadId, changedAt: new Date() };
  }

  async *objects(prefix: string) {
    for (const key of this.objectsByKey.keys())
      if (key.startsWith(prefix)) yield { key, changedAt: new Date() };
  }
}

/** An honest store but for one verb. */
function liar(lie: (honest: HonestStore) => Partial<ProbedBucket>): HonestStore {
  const store = new HonestStore();
  const original = new HonestStore();
  const maps = { objectsByKey: store.objectsByKey, uploadsById: store.uploadsById };
  return Object.assign(store, lie(Object.assign(original, maps)));
}

describe('the probe of an object store', () => {
  it('accepts a store that keeps its promises, and leaves nothing behind', async () => {
    const store = new HonestStore();
    await probeStore(store, 'probe');
    expect([store.objectsByKey.size, store.uploadsById.size]).toEqual([0, 0]);
  });

  it.each([
    [
      'keeps the aws-chunked framing',
      liar((honest) => ({
        put: (key, body) =>
          honest.put(
            key,
            Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n')]),
          ),
      })),
    ],
    [
      'returns 70002 bytes of an object of 70003',
      liar((honest) => ({ put: (key, body) => honest.put(key, body.subarray(1)) })),
    ],
    [
      'answers HEAD with a wrong size',
      liar((honest) => ({ size: async (key) => ((await honest.size(key)) === null ? null : 1) })),
    ],
    [
      'answers a range with other bytes',
      liar((honest) => ({
        get: (key, range) =>
          honest.get(key, range === undefined ? range : { first: range.first + 1, last: range.last + 1 }),
      })),
    ],
    [
      'ignores ranges',
      liar((honest) => ({ get: async (key, range) => (range === undefined ? honest.get(key) : refused()) })),
    ],
    ['still shows an object that was deleted', liar(() => ({ delete: async () => undefined }))],
    ['does not list an object that it has', liar(() => ({ objects: async function* () {} }))],
    [
      'accepts content with a wrong Content-MD5',
      liar((honest) => ({ put: (key, body) => honest.put(key, body) })),
    ],
    [
      'accepts content with a wrong x-amz-content-sha256',
      liar((honest) => ({
        put: (key, body, claims) =>
          honest.put(key, body, claims?.['content-md5'] === undefined ? {} : claims),
      })),
    ],
    ['does not list an unfinished multipart upload', liar(() => ({ uploads: async function* () {} }))],
    [
      'completes a multipart upload with parts that were replaced',
      liar(() => ({ completeUpload: async () => undefined })),
    ],
    [
      'loses parts of multipart uploads',
      liar((honest) => ({
        completeUpload: async (key, uploadId, parts) => {
          await honest.completeUpload(key, uploadId, parts);
          const whole = honest.objectsByKey.get(key);
          if (whole !== undefined) honest.objectsByKey.set(key, whole.subarray(0, -3));
        },
      })),
    ],
    ['completes a multipart upload that was aborted', liar(() => ({ abortUpload: async () => undefined }))],
  ])('refuses one that %s', async (what, store) => {
    await expect(probeStore(store, 'probe')).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining(`the object store ${what}`) as string,
    });
  });

  it('says why a store cannot be used at all', async () => {
    const store = liar(() => ({
      check: async () => {
        throw new BlobStorageError('STORAGE_FAILED', 'cannot reach the bucket', { detail: 'ECONNREFUSED' });
      },
    }));
    await expect(probeStore(store, 'probe')).rejects.toThrow(
      'the object store cannot be used: cannot reach the bucket (ECONNREFUSED)',
    );
  });
});

describe('what a store has made of content', () => {
  const stored = Buffer.from('0123456789');
  it.each([
    ['a;chunk-signature=ff\r\n0123456789\r\n0\r\n', /aws-chunked/],
    ['a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n', /aws-chunked/],
    ['012', /returns 3 bytes of an object of 10/],
    ['01234567890', /returns 11 bytes for an object of 10/],
    ['012345678X', /other bytes/],
  ])('%j is named', (read, name) => {
    expect(describeDifference(stored, Buffer.from(read))).toMatch(name);
  });
});
