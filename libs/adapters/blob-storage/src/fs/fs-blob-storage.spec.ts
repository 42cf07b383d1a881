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
    const { offset } = await storage.append(upload, chunks('the second attempt'), { isLast: true });
    const finished = { ...upload, offset };
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

  it('writes nothing of what it holds in memory once another append may have begun', async () => {
    const upload = { key: storage.newKey(), offset: 0, state: null };
    const taken = new OciError('BLOB_UPLOAD_UNKNOWN', 'another writer has the upload');
    let isTaken = false;
    async function* stopped(): AsyncIterable<Uint8Array> {
      yield Buffer.from('of the first');
      // What happens while the first process is stopped.
      const other = await FsBlobStorage.open(directory);
      const { offset } = await other.append(upload, chunks('of the second writer'), { isLast: true });
      await other.finish({ ...upload, offset });
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
