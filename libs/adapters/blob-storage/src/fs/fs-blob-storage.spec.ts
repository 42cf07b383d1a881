import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { OciError } from '@sluice/domain/oci';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeBlobStorage } from '../contract/index.ts';
import { FsBlobStorage } from './fs-blob-storage.ts';

describeBlobStorage('fs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-blobs-'));
  return {
    storage: await FsBlobStorage.open(directory),
    reopen: () => FsBlobStorage.open(directory),
    close: () => rm(directory, { recursive: true }),
  };
});

describe('blobs as files', () => {
  let directory: string;
  let storage: FsBlobStorage;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-blobs-'));
    storage = await FsBlobStorage.open(directory);
  });
  afterAll(async () => rm(directory, { recursive: true }));

  it('never leaves its directory, whatever key the database gives', async () => {
    await writeFile(join(directory, 'secret'), 'secret');
    for (const key of ['../secret', 'aa/../../secret', '', 'aa/x', '/etc/passwd']) {
      await expect(storage.read(key)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      await expect(storage.delete(key)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    }
  });

  it('leaves nothing of an upload beside the finished file', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const { offset } = await storage.append(upload, chunks('content'));
    await storage.finish({ ...upload, offset });
    const [shard = '', name = ''] = upload.key.split('/');
    expect(await readdir(join(directory, 'blobs', shard))).toContain(name);
    expect(await readdir(join(directory, 'uploads', shard))).not.toContain(name);
  });

  it('finishes an upload whose last append was announced, and again, and after another attempt', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    // The transaction that should have claimed the first attempt failed, and the client sent everything again.
    await storage.append(upload, chunks('the first attempt, which is longer'), { isLast: true });
    const { offset, state } = await storage.append(upload, chunks('the second attempt'), { isLast: true });
    const finished = { ...upload, offset, state };
    await storage.finish(finished);
    await storage.finish(finished);
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('the second attempt');
  });

  it('finishes what another replica appended after an announced end that never came', async () => {
    const other = await FsBlobStorage.open(directory);
    const upload = { key: storage.newKey(), offset: 0, state: null };
    await storage.append(upload, chunks('abandoned'), { isLast: true });
    const { offset } = await other.append(upload, chunks('to be kept'));
    await storage.finish({ ...upload, offset });
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('to be kept');
  });

  it('takes no attempt for another of the same length', async () => {
    const other = await FsBlobStorage.open(directory);
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const abandoned = await storage.append(upload, chunks('abandoned!'), { isLast: true });
    const { offset } = await other.append(upload, chunks('to be kept'));
    expect(offset).toBe(abandoned.offset);
    await storage.finish({ ...upload, offset });
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('to be kept');

    const lost = { key: storage.newKey(), offset: 0, state: null };
    const { state } = await storage.append(lost, chunks('forgotten!'), { isLast: true });
    await other.append(lost, chunks('other bytes'));
    await storage.append(lost, chunks('and others'), { isLast: true });
    await expect(storage.finish({ ...lost, offset: 10, state })).rejects.toMatchObject({
      code: 'UPLOAD_LOST',
    });
    expect(await storage.size(lost.key)).toBeNull();
  });

  it('replaces no object that another has finished, however late it comes', async () => {
    const other = await FsBlobStorage.open(directory);
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const late = await storage.append(upload, chunks('late'), { isLast: true });
    const first = await other.append(upload, chunks('first'), { isLast: true });
    await other.finish({ ...upload, offset: first.offset, state: first.state });
    await expect(storage.finish({ ...upload, offset: late.offset, state: late.state })).rejects.toMatchObject(
      { code: 'UPLOAD_LOST' },
    );
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('first');
  });

  it('stores many small and some longer objects at once, each with its own bytes, and leaves nothing beside them', async () => {
    const own = await mkdtemp(join(tmpdir(), 'sluice-blobs-'));
    const many = await FsBlobStorage.open(own);
    const texts = Array.from({ length: 300 }, (_, n) => `${n} `.repeat(n % 50 === 49 ? 90_000 : n));
    const keys = await Promise.all(
      texts.map(async (text) => {
        const upload = { key: many.newKey(), offset: 0, state: null };
        const { offset, state } = await many.append(upload, chunks(text), { isLast: true });
        await many.finish({ ...upload, offset, state });
        return upload.key;
      }),
    );
    const reopened = await FsBlobStorage.open(own);
    const read = await Promise.all(
      keys.map(async (key) => (await buffer(await reopened.read(key))).toString()),
    );
    expect(read).toEqual(texts);
    const left = await Promise.all(
      (await readdir(join(own, 'uploads'))).map((shard) => readdir(join(own, 'uploads', shard))),
    );
    expect(left.flat()).toEqual([]);
    await rm(own, { recursive: true });
  });

  it('keeps what came before a small body broke off', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const broken = new Error('the client has gone');
    async function* body(): AsyncIterable<Uint8Array> {
      yield Buffer.from('some');
      throw broken;
    }
    const { offset, state, interruption } = await storage.append(upload, body(), { isLast: true });
    expect([offset, state, interruption]).toEqual([4, null, broken]);
    const rest = await storage.append({ ...upload, offset }, chunks(' more'));
    await storage.finish({ ...upload, offset: rest.offset });
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('some more');
  });

  it.each([
    ['at its first byte', 1],
    ['later', 2],
  ])('lets go of a body that it cannot store, %s', async (_, failing) => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    let isLetGo = false;
    async function* body(): AsyncIterable<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(100_000);
      } finally {
        isLetGo = true;
      }
    }
    const taken = new OciError('BLOB_UPLOAD_UNKNOWN', 'another writer has the upload');
    let writes = 0;
    const beforeWrite = async (): Promise<void> => {
      if ((writes += 1) === failing) throw taken;
    };
    await expect(storage.append(upload, body(), { isLast: true, beforeWrite })).rejects.toBe(taken);
    expect(isLetGo).toBe(true);
  });

  it('says that an upload is lost which was cancelled elsewhere just before its end', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const { offset, state } = await storage.append(upload, chunks('x'.repeat(300_000)), { isLast: true });
    await (await FsBlobStorage.open(directory)).abort(upload);
    await expect(storage.finish({ ...upload, offset, state })).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
  });

  it('writes nothing of what it holds in memory once another append may have begun', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const taken = new OciError('BLOB_UPLOAD_UNKNOWN', 'another writer has the upload');
    let isTaken = false;
    async function* stopped(): AsyncIterable<Uint8Array> {
      yield Buffer.from('of the first');
      // What happens while the first process is stopped.
      const other = await FsBlobStorage.open(directory);
      const { offset, state } = await other.append(upload, chunks('of the second writer'), { isLast: true });
      await other.finish({ ...upload, offset, state });
      isTaken = true;
      throw new Error('the client has gone');
    }
    const beforeWrite = async (): Promise<void> => {
      if (isTaken) throw taken;
    };
    await expect(storage.append(upload, stopped(), { beforeWrite })).rejects.toBe(taken);
    expect((await buffer(await storage.read(upload.key))).toString()).toBe('of the second writer');
  });

  it.runIf(process.platform === 'linux')('says STORAGE_FULL when the disk is full', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    // Every write to this device fails as a write to a full disk does.
    await symlink('/dev/full', join(directory, 'uploads', upload.key));
    await expect(storage.append(upload, chunks('x'.repeat(2_000_000)))).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    });
  });

  it('gives back the file and the read stream when a reader stops early', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const { offset } = await storage.append(upload, chunks('x'.repeat(3_000_000)));
    await storage.finish({ ...upload, offset });
    const stream = await storage.read(upload.key);
    for await (const chunk of stream) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(stream.destroyed).toBe(true);
    expect(await buffer(await storage.read(upload.key, { first: 2_999_999, last: 2_999_999 }))).toHaveLength(
      1,
    );
  });
});

async function* chunks(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
