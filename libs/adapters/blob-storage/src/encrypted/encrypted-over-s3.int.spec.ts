import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeBlobStorage } from '../contract/index.ts';
import { signsUrls, type StoredUpload } from '../index.ts';
import { S3BlobStorage } from '../s3/index.ts';
import { s3TestOptions } from '../s3/testing.ts';
import { EncryptedBlobStorage } from './encrypted-blob-storage.ts';
import { MemoryKeyEnvelopes } from './memory-key-envelopes.ts';
import { from, keyFile } from './testing/lab.ts';

const MIB = 1_048_576;
const server = s3TestOptions();

describe.skipIf(server === null)('encryption over a real S3 server', () => {
  const options = server as NonNullable<typeof server>;
  const envelopes = new MemoryKeyEnvelopes();
  const keys = keyFile({ k1: 'active' });

  describeBlobStorage('encrypted over S3', async () => {
    const opened: S3BlobStorage[] = [];
    const open = async (): Promise<EncryptedBlobStorage> => {
      const below = await S3BlobStorage.open(options);
      opened.push(below);
      return EncryptedBlobStorage.over(below, keys, envelopes);
    };
    return {
      storage: await open(),
      reopen: open,
      close: async () => opened.forEach((each) => each.close()),
    };
  });

  describe('encrypted blobs in S3', () => {
    let below: S3BlobStorage;
    let storage: EncryptedBlobStorage;
    beforeAll(async () => {
      below = await S3BlobStorage.open(options);
      storage = EncryptedBlobStorage.over(below, keys, envelopes);
    });
    afterAll(() => below.close());

    async function store(...appends: Uint8Array[]): Promise<StoredUpload> {
      let upload: StoredUpload = { key: storage.newKey(), offset: 0, state: null };
      for (const bytes of appends) {
        const { offset, state } = await storage.append(upload, from([bytes]));
        upload = { key: upload.key, offset, state: JSON.parse(JSON.stringify(state)) as typeof state };
      }
      return upload;
    }

    it('come back whole and in ranges, of several parts and appends', async () => {
      const parts = [randomBytes(6 * MIB + 17), randomBytes(10), randomBytes(11 * MIB)];
      const content = Buffer.concat(parts);
      const upload = await store(...parts);
      await storage.finish(upload);
      await storage.finish(upload);
      const fresh = EncryptedBlobStorage.over(below, keys, envelopes);
      expect((await buffer(await fresh.read(upload.key))).equals(content)).toBe(true);
      for (const first of [0, 65_535, 5 * MIB - 3, content.length - 5]) {
        const last = Math.min(first + 200_000, content.length - 1);
        const part = await buffer(await fresh.read(upload.key, { first, last }));
        expect(part.equals(content.subarray(first, last + 1))).toBe(true);
      }
    });

    it('are finished although the first answer was lost, and are not hurt by a late finish', async () => {
      const early = await store(Buffer.from('abc'));
      const { offset, state } = await storage.append(early, from([Buffer.from('def')]));
      const late = { key: early.key, offset, state };
      await storage.finish(late);
      await expect(storage.finish(early)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
      expect((await buffer(await storage.read(early.key))).toString()).toBe('abcdef');
    });

    it('are never fetched by a signed URL, though the storage below signs them', () => {
      expect([signsUrls(below), signsUrls(storage)]).toEqual([true, false]);
    });
  });
});
