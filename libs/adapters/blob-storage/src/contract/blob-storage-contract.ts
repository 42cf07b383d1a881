import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStorage, StoredUpload } from '../blob-storage.ts';

/** A storage to be tested. `reopen` gives another instance on the same state, as another replica would. */
export interface BlobStorageHarness {
  readonly storage: BlobStorage;
  reopen(): Promise<BlobStorage>;
  close(): Promise<void>;
}

/** The promises of {@link BlobStorage}, for every implementation. */
export function describeBlobStorage(name: string, create: () => Promise<BlobStorageHarness>): void {
  describe(`blob storage contract: ${name}`, () => {
    let harness: BlobStorageHarness;
    let storage: BlobStorage;
    beforeAll(async () => {
      harness = await create();
      storage = harness.storage;
    });
    afterAll(async () => harness.close());

    const begin = (): StoredUpload => ({ key: storage.newKey(), offset: 0, state: null });
    async function append(upload: StoredUpload, ...chunks: Uint8Array[]): Promise<StoredUpload> {
      const { offset, state, interruption } = await storage.append(upload, from(chunks));
      expect(interruption).toBeUndefined();
      return { key: upload.key, offset, state };
    }
    async function stored(...chunks: Uint8Array[]): Promise<string> {
      const upload = await append(begin(), ...chunks);
      await storage.finish(upload);
      return upload.key;
    }

    it('gives every upload a key of its own', () => {
      expect(new Set(Array.from({ length: 1_000 }, () => storage.newKey())).size).toBe(1_000);
    });

    it('reads back what was appended, over several appends', async () => {
      const parts = [randomBytes(3), randomBytes(700_000), randomBytes(1)];
      let upload = begin();
      for (const part of parts) upload = await append(upload, part);
      await storage.finish(upload);
      expect(upload.offset).toBe(700_004);
      expect(await storage.size(upload.key)).toBe(700_004);
      expect((await buffer(await storage.read(upload.key))).equals(Buffer.concat(parts))).toBe(true);
    });

    it('reads back a large object whose chunks have every size', async () => {
      const digest = createHash('sha256');
      async function* body(): AsyncIterable<Uint8Array> {
        for (let index = 0; index < 400; index += 1) {
          const chunk = randomBytes((index * 37) % 65_536);
          digest.update(chunk);
          yield chunk;
        }
      }
      const upload = begin();
      const { offset, state } = await storage.append(upload, body());
      await storage.finish({ key: upload.key, offset, state });
      const content = await buffer(await storage.read(upload.key));
      expect(content.length).toBe(offset);
      expect(createHash('sha256').update(content).digest('hex')).toBe(digest.digest('hex'));
    });

    it('keeps an empty object, appended to or not', async () => {
      for (const upload of [await append(begin()), begin()]) {
        await storage.finish(upload);
        expect(await storage.size(upload.key)).toBe(0);
        expect(await buffer(await storage.read(upload.key))).toHaveLength(0);
      }
    });

    it('shows nothing before finish', async () => {
      const upload = await append(begin(), Buffer.from('half'));
      expect(await storage.size(upload.key)).toBeNull();
      await expect(storage.read(upload.key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    });

    it('reads a range, both ends counted', async () => {
      const key = await stored(Buffer.from('0123456789'));
      const read = async (first: number, last: number): Promise<string> =>
        (await buffer(await storage.read(key, { first, last }))).toString();
      expect([await read(0, 0), await read(3, 6), await read(9, 9), await read(0, 9)]).toEqual([
        '0',
        '3456',
        '9',
        '0123456789',
      ]);
    });

    it('discards bytes beyond the offset, which an append without a record has left', async () => {
      const first = await append(begin(), Buffer.from('abc'));
      await append(first, Buffer.from('LOST-AND-LONGER'));
      const second = await append(first, Buffer.from('def'));
      await storage.finish(second);
      expect((await buffer(await storage.read(first.key))).toString()).toBe('abcdef');
    });

    it('discards bytes beyond the offset at finish as well', async () => {
      const first = await append(begin(), Buffer.from('abc'));
      await append(first, Buffer.from('LOST'));
      await storage.finish(first);
      expect((await buffer(await storage.read(first.key))).toString()).toBe('abc');
    });

    it('keeps what came before the body broke off, and says that it did', async () => {
      const failure = new Error('the client went away');
      async function* broken(): AsyncIterable<Uint8Array> {
        yield Buffer.from('first ');
        yield Buffer.from('second');
        throw failure;
      }
      const upload = begin();
      const result = await storage.append(upload, broken());
      expect(result).toMatchObject({ offset: 12, interruption: failure });
      const resumed = await append({ key: upload.key, ...result }, Buffer.from(' third'));
      await storage.finish(resumed);
      expect((await buffer(await storage.read(upload.key))).toString()).toBe('first second third');
    });

    it('lets another replica continue and finish an upload', async () => {
      const upload = await append(begin(), Buffer.from('here '));
      const other = await harness.reopen();
      const { offset, state } = await other.append(upload, from([Buffer.from('and there')]));
      await other.finish({ key: upload.key, offset, state });
      expect((await buffer(await storage.read(upload.key))).toString()).toBe('here and there');
    });

    it('refuses to continue or finish an upload whose bytes are gone', async () => {
      const ghost: StoredUpload = { key: storage.newKey(), offset: 5, state: null };
      await expect(storage.append(ghost, from([Buffer.from('x')]))).rejects.toMatchObject({
        code: 'UPLOAD_LOST',
      });
      await expect(storage.finish(ghost)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
      const short = await append(begin(), Buffer.from('abc'));
      await expect(storage.finish({ ...short, offset: 4 })).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
    });

    it('may be told twice to finish, and still holds the object', async () => {
      const upload = await append(begin(), Buffer.from('abc'));
      await storage.finish(upload);
      await storage.finish(upload);
      expect((await buffer(await storage.read(upload.key))).toString()).toBe('abc');
    });

    it.each([10, 5 * 1_048_576, 6 * 1_048_576])(
      'never takes what one attempt at the end of an upload of %i bytes has finished for what another has',
      async (length) => {
        const recorded = await append(begin(), Buffer.alloc(length));
        // Nobody recorded that the first one came to its end: its commit failed.
        await storage.finish(await append(recorded, Buffer.from('first')));
        const again = async (): Promise<string> => {
          await storage.finish(await append(recorded, Buffer.from('other')));
          return 'other';
        };
        const last = await again().catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'UPLOAD_LOST' });
          return 'first';
        });
        const content = await buffer(await storage.read(recorded.key));
        expect(content.subarray(length).toString()).toBe(last);
      },
    );

    it('aborts an upload, finished or not, and more than once', async () => {
      for (const finish of [false, true]) {
        const upload = await append(begin(), Buffer.from('abc'));
        if (finish) await storage.finish(upload);
        await storage.abort(upload);
        await storage.abort(upload);
        expect(await storage.size(upload.key)).toBeNull();
        await expect(storage.finish(upload)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
      }
      await storage.abort(begin());
    });

    it('deletes an object, and deleting what is not there is no error', async () => {
      const key = await stored(Buffer.from('abc'));
      await storage.delete(key);
      await storage.delete(key);
      expect(await storage.size(key)).toBeNull();
      await expect(storage.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
    });

    it('lists unfinished uploads by age, and no finished ones', async () => {
      const unfinished = await append(begin(), Buffer.from('abc'));
      const finished = await stored(Buffer.from('abc'));
      const listed = await collect(storage.listUnfinished(new Date(Date.now() + 60_000)));
      expect(listed).toContain(unfinished.key);
      expect(listed).not.toContain(finished);
      expect(await collect(storage.listUnfinished(new Date(Date.now() - 60_000)))).not.toContain(
        unfinished.key,
      );
    });
  });
}

async function* from(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

async function collect(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all;
}
