import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FsBlobStorage } from '@sluice/blob-storage/fs';
import type { AcquiredSession } from '@sluice/database';
import { PipelinedConnections, PostgresUploadSessions } from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { type Digest, type DigestAlgorithm, parseRepositoryName } from '@sluice/domain/oci';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Chunk } from './upload-chunk.ts';
import { UploadService } from './upload-service.ts';
import { WriterLease } from './writer-lease.ts';

const REPOSITORY = parseRepositoryName('team/app/web');

describe('an upload over several replicas', () => {
  let database: TestDatabase;
  let directory: string;
  let storage: FsBlobStorage;
  let connections: PipelinedConnections;
  let sessions: PostgresUploadSessions;
  let replicas: readonly UploadService[];
  beforeAll(async () => {
    database = await createTestDatabase();
    directory = await mkdtemp(join(tmpdir(), 'sluice-replicas-'));
    storage = await FsBlobStorage.open(directory);
    connections = new PipelinedConnections({ url: database.url });
    sessions = new PostgresUploadSessions(database.source, connections);
    const settings = { sessionSeconds: 3_600, leaseSeconds: 3_600 };
    replicas = [0, 1, 2].map(() => new UploadService(sessions, storage, settings));
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES (gen_random_uuid(), 'project', 'team/app', '{}')`,
    );
  });
  afterAll(async () => {
    await connections.close();
    await database.close();
    await rm(directory, { recursive: true });
  });

  const replica = (turn: number): UploadService => replicas[turn % replicas.length] as UploadService;
  const digestOf = (content: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest =>
    `${algorithm}:${createHash(algorithm).update(content).digest('hex')}` as Digest;
  const chunk = (content: Uint8Array, first: number | null): Chunk => ({
    body: body(content),
    range: first === null ? null : { first, last: first + content.length - 1 },
    lengthBytes: content.length,
    assertAllowed: async () => undefined,
  });
  const acquire = async (id: string, writer: string, leaseSeconds: number): Promise<AcquiredSession> => {
    const options = { writer, leaseSeconds, storageKey: storage.newKey() };
    const acquired = await sessions.acquire(id, REPOSITORY, options);
    if (acquired === null || acquired === 'busy') throw new Error('the session is not there');
    return acquired;
  };
  const begin = async (algorithm: DigestAlgorithm = 'sha256'): Promise<string> =>
    (await replica(0).start(REPOSITORY, null, algorithm)).id;

  it.each(['sha256', 'sha512'] as const)(
    'in chunks, each to the next one, is checked under %s without reading anything again',
    async (algorithm) => {
      const read = vi.spyOn(storage, 'read');
      const id = await begin(algorithm);
      const content = randomBytes(5_000);
      let offset = 0;
      for (let turn = 0; offset < content.length; turn += 1) {
        const part = content.subarray(offset, offset + 700 + turn);
        await replica(turn).append(REPOSITORY, id, chunk(part, offset));
        offset += part.length;
        expect((await replica(turn + 1).status(REPOSITORY, id)).offsetBytes).toBe(offset);
      }
      await replica(1).finish(REPOSITORY, id, digestOf(content, algorithm), null);
      expect(read).not.toHaveBeenCalled();
      read.mockRestore();
    },
  );

  it('in chunks, the last one with the PUT, is refused under another digest', async () => {
    const content = randomBytes(300);
    for (const digest of [digestOf(randomBytes(1)), digestOf(content)]) {
      const id = await begin();
      await replica(0).append(REPOSITORY, id, chunk(content.subarray(0, 200), 0));
      const finished = replica(1).finish(REPOSITORY, id, digest, chunk(content.subarray(200), 200));
      await (digest === digestOf(content)
        ? finished
        : expect(finished).rejects.toMatchObject({ code: 'DIGEST_INVALID' }));
    }
  });

  it('that is streamed, broken off and streamed on elsewhere is read once more at its end', async () => {
    const read = vi.spyOn(storage, 'read');
    const content = randomBytes(300);
    const id = await begin();
    await replica(0).append(REPOSITORY, id, chunk(content.subarray(0, 200), null));
    await replica(1).append(REPOSITORY, id, chunk(content.subarray(200), null));
    await replica(2).finish(REPOSITORY, id, digestOf(content), null);
    expect(read).toHaveBeenCalledTimes(1);
    read.mockRestore();
  });

  it('whose project is deleted before it is committed leaves nothing behind', async () => {
    class Vanishing extends PostgresUploadSessions {
      override async commit(...commit: Parameters<PostgresUploadSessions['commit']>): Promise<string | null> {
        await database.source.query('DELETE FROM upload_session WHERE id = $1', [commit[0]]);
        return super.commit(...commit);
      }
    }
    const vanishing = new Vanishing(database.source, connections);
    const settings = { sessionSeconds: 3_600, leaseSeconds: 3_600 };
    const finish = vi.spyOn(storage, 'finish');
    const content = randomBytes(300);
    const pushed = new UploadService(vanishing, storage, settings).push(
      REPOSITORY,
      null,
      digestOf(content),
      chunk(content, null),
    );
    await expect(pushed).rejects.toMatchObject({ code: 'BLOB_UPLOAD_UNKNOWN' });
    const key = finish.mock.lastCall?.[0].key ?? '';
    finish.mockRestore();
    expect(await storage.size(key)).toBeNull();
  });

  describe('that is short and comes whole', () => {
    /** A replica that calls `then` when it has stored a body and is about to commit it. */
    const pausing = (pause: () => void): UploadService =>
      new UploadService(sessions, storage, { sessionSeconds: 3_600, leaseSeconds: 3_600 }, (point) => {
        if (point === 'upload.synced') pause();
      });
    const row = async (id: string) => {
      const rows = await database.source.query<{ storage_key: string }[]>(
        'SELECT storage_key FROM upload_session WHERE id = $1',
        [id],
      );
      return rows[0]?.storage_key ?? '';
    };

    it('to the replica that began it is stored without acquiring the session, once', async () => {
      const acquired = vi.spyOn(sessions, 'acquire');
      const content = randomBytes(300);
      const id = await begin();
      await replica(0).finish(REPOSITORY, id, digestOf(content), chunk(content, null));
      expect(acquired).not.toHaveBeenCalled();
      acquired.mockRestore();
      const again = replica(0).finish(REPOSITORY, id, digestOf(content), chunk(content, null));
      await expect(again).rejects.toMatchObject({ code: 'BLOB_UPLOAD_UNKNOWN' });
    });

    it('to another replica is stored as well', async () => {
      const content = randomBytes(300);
      const id = await begin();
      await replica(1).finish(REPOSITORY, id, digestOf(content), chunk(content, null));
    });

    it('and is retried elsewhere after a crash leaves one object', async () => {
      const content = randomBytes(300);
      const crashing = pausing(() => {
        throw new Error('crash');
      });
      // What the process would still do is what a crash keeps it from.
      const release = vi.spyOn(sessions, 'release').mockResolvedValue();
      const { id } = await crashing.start(REPOSITORY, null, 'sha256');
      const key = await row(id);
      await expect(crashing.finish(REPOSITORY, id, digestOf(content), chunk(content, null))).rejects.toThrow(
        'crash',
      );
      release.mockRestore();
      expect(await storage.size(key)).toBe(300);
      await replica(1).finish(REPOSITORY, id, digestOf(content), chunk(content, null));
      expect(await storage.size(key)).toBeNull();
      const blobs = await database.source.query<{ object_key: string }[]>(
        'SELECT object_key FROM blob WHERE digest = $1',
        [digestOf(content)],
      );
      expect(await storage.size(blobs[0]?.object_key ?? '')).toBe(300);
    });

    it('to two replicas at once is that of the last who came, and the other one leaves nothing', async () => {
      const [mine, theirs] = [randomBytes(300), randomBytes(300)];
      let taken: Promise<AcquiredSession> | undefined;
      const writer = randomUUID();
      const slow = pausing(() => (taken = acquire(id, writer, 20)));
      const { id } = await slow.start(REPOSITORY, null, 'sha256');
      const key = await row(id);
      const commit = vi.spyOn(sessions, 'commit');
      commit.mockImplementationOnce(async (...committed) => {
        await taken;
        return PostgresUploadSessions.prototype.commit.apply(sessions, committed);
      });
      await expect(slow.finish(REPOSITORY, id, digestOf(mine), chunk(mine, null))).rejects.toMatchObject({
        code: 'BLOB_UPLOAD_UNKNOWN',
      });
      commit.mockRestore();
      expect(await storage.size(key)).toBeNull();

      expect((await taken)?.session.storageKey).not.toBe(key);
      await sessions.release(id, writer);
      await replica(2).finish(REPOSITORY, id, digestOf(theirs), chunk(theirs, null));
    });

    it('but breaks off can be continued on any replica', async () => {
      const content = randomBytes(300);
      async function* broken(): AsyncIterable<Uint8Array> {
        yield content.subarray(0, 100);
        throw new Error('reset');
      }
      const id = await begin();
      const brokenChunk = { ...chunk(content, null), body: broken(), lengthBytes: 300 };
      await expect(replica(0).finish(REPOSITORY, id, digestOf(content), brokenChunk)).rejects.toMatchObject({
        code: 'BLOB_UPLOAD_INVALID',
      });
      expect(await replica(1).status(REPOSITORY, id)).toEqual({ id, offsetBytes: 100 });
      const rest = chunk(content.subarray(100), 100);
      await replica(1).finish(REPOSITORY, id, digestOf(content), rest);
    });
  });

  it('has one writer: a second request is refused as soon as the first one shows that it lives', async () => {
    const id = await begin();
    const writer = randomUUID();
    await acquire(id, writer, 20);
    const renewing = setInterval(() => void sessions.renew(id, writer, 20), 200);
    try {
      const startedAt = performance.now();
      await expect(replica(0).append(REPOSITORY, id, chunk(Buffer.from('x'), null))).rejects.toMatchObject({
        code: 'RANGE_INVALID',
        status: { offsetBytes: 0 },
      });
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    } finally {
      clearInterval(renewing);
    }
  });

  it('asked for its status while a request ends answers with what that has stored', async () => {
    const id = await begin();
    const writer = randomUUID();
    await acquire(id, writer, 20);
    const status = replica(1).status(REPOSITORY, id);
    await sleep(150);
    const progress = { offsetBytes: 7, storageState: null, prefixDigest: null, hashState: null };
    await sessions.record(id, writer, progress, 60);
    expect((await status).offsetBytes).toBe(7);
  });

  it('is not read again when that takes longer than clients wait: the error says what to do, the upload stays', async () => {
    const id = await begin();
    const content = randomBytes(10);
    await replica(0).append(REPOSITORY, id, chunk(content, 0));
    const change = (set: string): Promise<unknown> =>
      database.source.query(`UPDATE upload_session SET ${set} WHERE id = $1`, [id]);
    await change(`offset_bytes = ${21 * 1024 ** 3}`);
    await expect(replica(1).finish(REPOSITORY, id, digestOf(content, 'sha512'), null)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('?digest-algorithm=sha512') as string,
    });
    await change('must_rehash = true');
    await expect(replica(1).finish(REPOSITORY, id, digestOf(content), null)).rejects.toMatchObject({
      code: 'BLOB_UPLOAD_INVALID',
      message: expect.stringContaining('begin a new upload') as string,
    });
    await change('must_rehash = false, offset_bytes = 10');
    await replica(1).finish(REPOSITORY, id, digestOf(content), null);
  });

  describe('whose writer cannot reach the database', () => {
    it('stops writing before another may begin, and goes on when the lease is still its own', async () => {
      vi.useFakeTimers({ toFake: ['performance'] });
      try {
        const id = await begin();
        const writer = randomUUID();
        await acquire(id, writer, 8);
        using lease = new WriterLease(sessions, id, writer, performance.now());
        expect(lease.isHeld).toBe(true);
        vi.advanceTimersByTime(5_001);
        expect(lease.isHeld).toBe(false);
        await lease.hold();
        expect(lease.isHeld).toBe(true);
      } finally {
        vi.useRealTimers();
      }
    });

    it('neither removes nor replaces what another has stored since, whatever it has to say of its own bytes', async () => {
      const content = randomBytes(300);
      for (const claimed of [digestOf(content), digestOf(randomBytes(1))]) {
        vi.useFakeTimers({ toFake: ['performance'] });
        const late = new UploadService(
          sessions,
          storage,
          { sessionSeconds: 60, leaseSeconds: 60 },
          (point) => {
            // The process is stopped here, for longer than its lease.
            if (point === 'upload.appended') vi.advanceTimersByTime(60_000);
          },
        );
        const { id } = await late.start(REPOSITORY, null, 'sha256');
        const streamed = { ...chunk(content, null), lengthBytes: null };
        const renew = vi.spyOn(sessions, 'renew').mockImplementation(async () => false);
        const [finish, abort] = [vi.spyOn(storage, 'finish'), vi.spyOn(storage, 'abort')];
        try {
          await expect(late.finish(REPOSITORY, id, claimed, streamed)).rejects.toMatchObject({
            code: 'BLOB_UPLOAD_UNKNOWN',
          });
          expect(finish).not.toHaveBeenCalled();
          expect(abort).not.toHaveBeenCalled();
        } finally {
          for (const spy of [renew, finish, abort]) spy.mockRestore();
          vi.useRealTimers();
        }
      }
    });

    it('gives up in time when the database says nothing at all', async () => {
      const id = await begin();
      const renew = vi.spyOn(sessions, 'renew').mockReturnValue(new Promise(() => undefined));
      vi.useFakeTimers();
      try {
        using lease = new WriterLease(sessions, id, randomUUID(), performance.now() - 60_000);
        const held = expect(lease.hold()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await vi.advanceTimersByTimeAsync(70_000);
        await held;
      } finally {
        renew.mockRestore();
        vi.useRealTimers();
      }
    });

    it('gives up when another has begun', async () => {
      const id = await begin();
      const writer = randomUUID();
      await acquire(id, writer, 0);
      using lease = new WriterLease(sessions, id, writer, performance.now() - 60_000);
      expect((await acquire(id, randomUUID(), 8)).session).toMatchObject({ mustRehash: true });
      await expect(lease.hold()).rejects.toMatchObject({ code: 'BLOB_UPLOAD_UNKNOWN' });
    });
  });
});

async function* body(content: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < content.length; at += 100) yield content.subarray(at, at + 100);
}
