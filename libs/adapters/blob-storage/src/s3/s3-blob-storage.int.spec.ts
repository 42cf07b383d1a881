import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeBlobStorage } from '../contract/index.ts';
import { Bucket } from './bucket.ts';
import { S3BlobStorage } from './s3-blob-storage.ts';
import { s3TestOptions } from './testing.ts';

const MIB = 1_048_576;
const server = s3TestOptions();

describe.skipIf(server === null)('a real S3 server', () => {
  const options = server as NonNullable<typeof server>;

  describeBlobStorage('S3', async () => {
    const storage = await S3BlobStorage.open(options);
    const others: S3BlobStorage[] = [];
    return {
      storage,
      reopen: async () => {
        const other = await S3BlobStorage.open(options);
        others.push(other);
        return other;
      },
      close: async () => [storage, ...others].forEach((each) => each.close()),
    };
  });

  describe('S3 blob storage', () => {
    let storage: S3BlobStorage;
    let bucket: Bucket;
    beforeAll(async () => {
      bucket = new Bucket(options);
      storage = await S3BlobStorage.open(options);
    });
    afterAll(() => {
      storage.close();
      bucket.close();
    });

    async function append(upload: Upload, ...chunks: Uint8Array[]): Promise<Upload> {
      const { offset, state, interruption } = await storage.append(upload, from(chunks));
      expect(interruption).toBeUndefined();
      return { key: upload.key, offset, state: JSON.parse(JSON.stringify(state)) as Upload['state'] };
    }
    /** What the store holds of an upload beside its object. */
    async function leftovers(key: string): Promise<string[]> {
      const left: string[] = [];
      for await (const upload of bucket.uploads(`${options.prefix}/blobs/${key}`)) left.push(upload.uploadId);
      for await (const object of bucket.objects(`${options.prefix}/tails/${key}`)) left.push(object.key);
      return left;
    }
    const begin = (): Upload => ({ key: storage.newKey(), offset: 0, state: null });
    const content = async (key: string): Promise<string> => sha256(await buffer(await storage.read(key)));

    it.each([
      ['shorter than a part', [1_000]],
      ['as long as a part', [5 * MIB]],
      ['a part and a byte', [5 * MIB + 1]],
      ['several parts and a rest', [17 * MIB + 12_345]],
      ['chunks that are each too short for a part', [3 * MIB, 1, 4 * MIB, 3 * MIB, 2 * MIB]],
      ['chunks of parts with rests', [6 * MIB, 7 * MIB + 1, 5 * MIB - 1, 16 * MIB]],
    ])('keeps an upload of %s', async (_, lengths) => {
      const chunks = lengths.map((length) => randomBytes(length));
      let upload = begin();
      for (const chunk of chunks) upload = await append(upload, chunk);
      await storage.finish(upload);
      const whole = Buffer.concat(chunks);
      expect(await storage.size(upload.key)).toBe(whole.length);
      expect(await content(upload.key)).toBe(sha256(whole));
      const edge = { first: 5 * MIB - 2, last: 5 * MIB + 1 };
      if (whole.length > edge.last) {
        const part = await buffer(await storage.read(upload.key, edge));
        expect(part.equals(whole.subarray(edge.first, edge.last + 1))).toBe(true);
      }
    });

    it.each([1_000, 5 * MIB, 11 * MIB + 3])(
      'stores %i bytes that nothing follows without a tail',
      async (length) => {
        const bytes = randomBytes(length);
        const { key } = begin();
        const { offset, state } = await storage.append({ key, offset: 0, state: null }, from([bytes]), {
          isLast: true,
        });
        expect((await leftovers(key)).filter((name) => name.includes('tails'))).toEqual([]);
        for (let time = 0; time < 2; time += 1) await storage.finish({ key, offset, state });
        expect(await content(key)).toBe(sha256(bytes));
        await storage.abort({ key, offset, state });
        await expect(storage.finish({ key, offset, state })).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
      },
    );

    it('keeps what came of a last append that was interrupted, so that another replica can go on', async () => {
      async function* broken(): AsyncIterable<Uint8Array> {
        yield Buffer.from('first ');
        throw new Error('the client went away');
      }
      const { key } = begin();
      const { offset, state } = await storage.append({ key, offset: 0, state: null }, broken(), {
        isLast: true,
      });
      expect(await storage.size(key)).toBeNull();
      const upload = await append({ key, offset, state }, Buffer.from('second'));
      await storage.finish(upload);
      expect((await buffer(await storage.read(key))).toString()).toBe('first second');
    });

    it('takes the same bytes again after an append whose record was lost, cut in other places', async () => {
      const [first, rest] = [randomBytes(6 * MIB), randomBytes(23 * MIB)];
      const recorded = await append(begin(), first);
      await append(recorded, rest);
      let upload = recorded;
      for (let at = 0; at < rest.length; at += 3 * MIB)
        upload = await append(upload, rest.subarray(at, at + 3 * MIB));
      await storage.finish(upload);
      expect(await content(upload.key)).toBe(sha256(Buffer.concat([first, rest])));
    });

    // Amazon leaves out the parts that are not named; Ceph refuses to complete without them.
    it('discards parts of an append without a record, or refuses to finish, when less comes afterwards', async () => {
      const [first, lost, second] = [6, 23, 7].map((mib) => randomBytes(mib * MIB)) as [
        Buffer,
        Buffer,
        Buffer,
      ];
      const recorded = await append(begin(), first);
      await append(recorded, lost);
      const upload = await append(recorded, second);
      const outcome = await storage.finish(upload).catch((error: { code: string }) => error.code);
      if (outcome === 'UPLOAD_LOST') expect(await storage.size(upload.key)).toBeNull();
      else expect(await content(upload.key)).toBe(sha256(Buffer.concat([first, second])));
    });

    it('leaves nothing of a finished upload but its object, however it was interrupted', async () => {
      const upload = begin();
      // Two appends that nobody has recorded: a multipart upload and a tail that no state names.
      await append(upload, randomBytes(6 * MIB));
      await append(upload, randomBytes(10));
      const finished = await append(upload, randomBytes(6 * MIB), randomBytes(10));
      await storage.finish(finished);
      const later = new Date(Date.now() + 60_000);
      expect(await collect(storage.listUnfinished(later))).not.toContain(upload.key);
      expect(await leftovers(upload.key)).toEqual([]);
      expect(await storage.size(upload.key)).toBe(6 * MIB + 10);
    });

    it('leaves nothing of an upload that is aborted by what its first record says', async () => {
      const upload = begin();
      await append(await append(upload, randomBytes(6 * MIB)), randomBytes(10));
      await storage.abort(upload);
      expect(await leftovers(upload.key)).toEqual([]);
    });

    it('refuses to finish with a part that somebody else has replaced', async () => {
      const recorded = await append(begin(), randomBytes(6 * MIB));
      const mine = await append(recorded, randomBytes(6 * MIB));
      await append(recorded, randomBytes(6 * MIB));
      await expect(storage.finish(mine)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
      expect(await storage.size(mine.key)).toBeNull();
    });

    it('may be told twice to finish an upload of parts', async () => {
      const upload = await append(begin(), randomBytes(11 * MIB));
      await storage.finish(upload);
      await storage.finish(upload);
      expect(await storage.size(upload.key)).toBe(11 * MIB);
    });

    it('signs URLs that need nothing else, take ranges, and end', async () => {
      const bytes = randomBytes(1_000);
      const upload = await append(begin(), bytes);
      await storage.finish(upload);
      const url = await storage.signedUrl(upload.key, 60);
      const whole = await fetch(url);
      expect(whole.status).toBe(200);
      expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
      const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
      expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 10]);
      const forged = await fetch(url.replace(upload.key, storage.newKey()));
      await forged.arrayBuffer();
      expect(forged.status).toBe(403);
    });
  });
});

interface Upload {
  readonly key: string;
  readonly offset: number;
  readonly state: Parameters<S3BlobStorage['append']>[0]['state'];
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function* from(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

async function collect(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all;
}
