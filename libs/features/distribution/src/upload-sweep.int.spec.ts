import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStorage } from '@sluice/blob-storage';
import { FsBlobStorage } from '@sluice/blob-storage/fs';
import type { AcquiredSession } from '@sluice/database';
import { PipelinedConnections, PostgresUploadSessions } from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { type Digest, parseRepositoryName } from '@sluice/domain/oci';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Chunk } from './upload-chunk.ts';
import { UploadService } from './upload-service.ts';
import { UploadSweep } from './upload-sweep.ts';

const REPOSITORY = parseRepositoryName('team/app/web');
const FUTURE = new Date(Date.now() + 3_600_000);

describe('sweeping abandoned uploads', () => {
  let database: TestDatabase;
  let directory: string;
  let storage: BlobStorage;
  let connections: PipelinedConnections;
  let sessions: PostgresUploadSessions;
  let uploads: UploadService;
  let sweep: UploadSweep;
  beforeAll(async () => {
    database = await createTestDatabase();
    directory = await mkdtemp(join(tmpdir(), 'sluice-sweep-'));
    storage = await FsBlobStorage.open(directory);
    connections = new PipelinedConnections({ url: database.url });
    sessions = new PostgresUploadSessions(database.source, connections);
    uploads = new UploadService(sessions, storage, { sessionSeconds: 3_600, leaseSeconds: 3_600 });
    sweep = new UploadSweep(sessions, storage);
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES (gen_random_uuid(), 'project', 'team/app', '{}')`,
    );
  });
  afterAll(async () => {
    await connections.close();
    await database.close();
    await rm(directory, { recursive: true });
  });

  async function begin(content: string): Promise<string> {
    const { id } = await uploads.start(REPOSITORY, null, 'sha256');
    await uploads.append(REPOSITORY, id, chunkOf(content));
    return id;
  }
  async function acquire(id: string, writer: string, leaseSeconds: number): Promise<AcquiredSession> {
    const options = { writer, leaseSeconds, storageKey: storage.newKey() };
    const acquired = await sessions.acquire(id, REPOSITORY, options);
    if (acquired === null || acquired === 'busy') throw new Error('the session is not there');
    return acquired;
  }
  const expire = (id: string): Promise<unknown> =>
    database.source.query(`UPDATE upload_session SET expires_at = now() - interval '1 s' WHERE id = $1`, [
      id,
    ]);
  const unfinished = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const key of storage.listUnfinished(FUTURE)) keys.push(key);
    return keys;
  };

  it('removes expired sessions with their bytes, and leaves living ones', async () => {
    const [dead, alive] = [await begin('dead'), await begin('alive')];
    await expire(dead);
    await expect(uploads.status(REPOSITORY, dead)).rejects.toMatchObject({ code: 'BLOB_UPLOAD_UNKNOWN' });
    expect(await sweep.run(FUTURE)).toEqual({ sessions: 1, objects: 0 });
    expect(await unfinished()).toHaveLength(1);
    expect(await uploads.status(REPOSITORY, alive)).toEqual({ id: alive, offsetBytes: 5 });
  });

  it('leaves a session whose writer is at work, however old', async () => {
    const id = await begin('busy');
    await acquire(id, crypto.randomUUID(), 30);
    await expire(id);
    expect(await sweep.run(FUTURE)).toMatchObject({ sessions: 0 });
  });

  it('never removes what a writer that was silent for long commits at last', async () => {
    const id = await begin('late');
    const writer = crypto.randomUUID();
    const { session } = await acquire(id, writer, 0);
    await storage.finish({ key: session.storageKey, offset: session.offsetBytes, state: null });
    await expire(id);
    const blob = { digest: session.prefixDigest as Digest, sizeBytes: 4, leaseSeconds: 60 };
    let committed: string | null = null;
    // The writer comes back when the sweep has chosen what to remove.
    const abort = vi.spyOn(storage, 'abort').mockImplementationOnce(async (upload) => {
      committed = await sessions.commit(id, writer, blob);
      await storage.abort(upload);
    });
    expect(await sweep.run(new Date(0))).toMatchObject({ sessions: 1 });
    expect(abort).toHaveBeenCalledTimes(2);
    abort.mockRestore();
    expect(committed).toBeNull();
  });

  it('leaves to another sweep what one has taken', async () => {
    const id = await begin('taken');
    await expire(id);
    expect((await sessions.takeExpired(10, 60)).map((session) => session.id)).toEqual([id]);
    expect(await sweep.run(new Date(0))).toMatchObject({ sessions: 0 });
    await database.source.query('UPDATE upload_session SET writer_until = now() WHERE id = $1', [id]);
    expect(await sweep.run(new Date(0))).toMatchObject({ sessions: 1 });
  });

  it('removes unfinished objects that no row knows of, once they are old enough', async () => {
    await storage.append({ key: storage.newKey(), offset: 0, state: null }, bytes('orphan'));
    expect(await sweep.run(new Date(0))).toMatchObject({ objects: 0 });
    expect(await sweep.run(FUTURE)).toMatchObject({ objects: 1 });
    expect(await sweep.run(FUTURE)).toMatchObject({ objects: 0 });
  });

  it('removes the finished object of a push that crashed before its commit', async () => {
    const id = await begin('crashed');
    const crash = new Error('crash');
    const crashing = new UploadService(
      sessions,
      storage,
      { sessionSeconds: 60, leaseSeconds: 60 },
      (point) => {
        if (point === 'upload.synced') throw crash;
      },
    );
    const digest = 'sha256:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca7' as Digest;
    const [row] = await database.source.query<{ storage_key: string; prefix_digest: Digest }[]>(
      'SELECT storage_key, prefix_digest FROM upload_session WHERE id = $1',
      [id],
    );
    expect(row?.prefix_digest).not.toBe(digest);
    await expect(crashing.finish(REPOSITORY, id, row?.prefix_digest ?? digest, null)).rejects.toBe(crash);
    const key = row?.storage_key ?? '';
    expect(await storage.size(key)).toBe(7);
    await expire(id);
    await sweep.run(FUTURE);
    expect(await storage.size(key)).toBeNull();
  });

  it('lets the client finish after such a crash, because nothing was lost', async () => {
    const id = await begin('retried');
    const crashing = new UploadService(
      sessions,
      storage,
      { sessionSeconds: 60, leaseSeconds: 60 },
      (point) => {
        if (point === 'upload.synced') throw new Error('crash');
      },
    );
    const [row] = await database.source.query<{ prefix_digest: Digest }[]>(
      'SELECT prefix_digest FROM upload_session WHERE id = $1',
      [id],
    );
    const digest = row?.prefix_digest as Digest;
    await expect(crashing.finish(REPOSITORY, id, digest, null)).rejects.toThrow('crash');
    await uploads.finish(REPOSITORY, id, digest, null);
    const blobs = await database.source.query<{ size: string }[]>('SELECT size FROM blob WHERE digest = $1', [
      digest,
    ]);
    expect(blobs).toEqual([{ size: '7' }]);
  });

  it('gives the session of a writer that vanished to another, and trusts only the stored bytes then', async () => {
    const id = await begin('first ');
    await acquire(id, crypto.randomUUID(), 1);
    const chunk = chunkOf('second');
    // Whoever resumes waits until the lease of the other is over, and is not sent away.
    expect(await uploads.append(REPOSITORY, id, chunk)).toMatchObject({ offsetBytes: 12 });
    const [row] = await database.source.query<
      { must_rehash: boolean; prefix_digest: Digest; storage_key: string }[]
    >('SELECT must_rehash, prefix_digest, storage_key FROM upload_session WHERE id = $1', [id]);
    expect(row?.must_rehash).toBe(true);
    // What the vanished writer may still have done: the bytes are not what was hashed on their way.
    const [shard = '', name = ''] = (row?.storage_key ?? '').split('/');
    await writeFile(join(directory, 'uploads', shard, name), 'first SPOILT');
    await expect(uploads.finish(REPOSITORY, id, row?.prefix_digest as Digest, null)).rejects.toMatchObject({
      code: 'DIGEST_INVALID',
    });
  });
});

function chunkOf(content: string): Chunk {
  return { body: bytes(content), range: null, lengthBytes: null, assertAllowed: async () => undefined };
}

async function* bytes(content: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(content);
}
