import { randomBytes, randomUUID } from 'node:crypto';
import type { Digest, RepositoryName } from '@sluice/domain/oci';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresBlobLinks } from './blob-links.ts';
import { PostgresKeyDomains } from './key-domains.ts';
import { PostgresNodeStore } from './node-store.ts';
import { PostgresObjectKeyEnvelopes } from './object-key-envelopes.ts';
import { PostgresRegistryReads } from './registry-reads.ts';
import { PipelinedConnections } from './pipelined-connections.ts';
import { PostgresUploadSessions } from './upload-sessions.ts';

const LEASE = { leaseSeconds: 60 };

describe('key domains', () => {
  let database: TestDatabase;
  let domains: PostgresKeyDomains;
  let envelopes: PostgresObjectKeyEnvelopes;
  let sessions: PostgresUploadSessions;
  let links: PostgresBlobLinks;
  let connections: PipelinedConnections;
  let reads: PostgresRegistryReads;
  beforeAll(async () => {
    database = await createTestDatabase();
    const { source } = database;
    domains = new PostgresKeyDomains(source);
    envelopes = new PostgresObjectKeyEnvelopes(source);
    connections = new PipelinedConnections({ url: database.url });
    sessions = new PostgresUploadSessions(source, connections);
    links = new PostgresBlobLinks(source);
    reads = new PostgresRegistryReads(source, connections);
    const nodes = new PostgresNodeStore(source);
    for (const path of ['open/app', 'open/other', 'acme/app', 'acme/inner/app', 'late/app'] as const) {
      await nodes.create({ kind: 'project', path: path as never, visibility: 'private' });
    }
  });
  afterAll(async () => {
    await connections.close();
    await database.close();
  });

  const repository = (name: string): RepositoryName => name as RepositoryName;
  const digest = (): Digest => `sha256:${randomBytes(32).toString('hex')}` as Digest;

  /** Pushes a blob; `domain` is what the storage encrypted it under, as it was told. */
  async function push(
    name: string,
    blob: Digest,
    encrypt = true,
  ): Promise<{ storageKey: string; objectKey: string | null }> {
    const storageKey = randomUUID();
    const writer = randomUUID();
    const session = await sessions.create({
      repository: repository(name),
      principalId: null,
      reservedFor: writer,
      storageKey,
      algorithm: 'sha256',
      ttlSeconds: 60,
    });
    if (encrypt) {
      const domain = await envelopes.domainOf(storageKey);
      await envelopes.put(storageKey, {
        domain,
        keyId: 'k',
        wrapped: randomBytes(60),
        seal: randomBytes(60),
      });
    }
    const objectKey = await sessions.commit(session.id, writer, { digest: blob, sizeBytes: 1, ...LEASE });
    return { storageKey, objectKey };
  }

  it('let the version before go on pushing until the first one is given away', async () => {
    const insert = (): Promise<unknown> =>
      database.source.query(
        `INSERT INTO blob (id, digest, size, object_key) VALUES (gen_random_uuid(), $1, 1, $2)
         ON CONFLICT (digest) WHERE state = 'live' DO NOTHING`,
        [digest(), randomUUID()],
      );
    await insert();
    await push('open/app', digest());
    await domains.assign('open/app/unknown', 'x').catch(() => undefined);
    await domains.assign('acme/inner', null);
    await insert();
  });

  it('are those of the nearest node that has one, for repositories that are there and for new ones', async () => {
    await domains.assign('acme', 'acme');
    await domains.assign('acme/inner', 'vault');
    expect((await domains.list()).map(({ path, domain }) => [path, domain])).toEqual([
      ['acme', 'acme'],
      ['acme/inner', 'vault'],
    ]);
    const stored = async (name: string): Promise<string | undefined> => {
      const { storageKey } = await push(name, digest());
      return (await envelopes.find(storageKey))?.domain;
    };
    expect(await stored('acme/app')).toBe('acme');
    expect(await stored('acme/app/deeper')).toBe('acme');
    expect(await stored('acme/inner/app')).toBe('vault');
    expect(await stored('open/app')).toBe('');
  });

  it('store a blob once in a domain and again in another one', async () => {
    const blob = digest();
    const open = await push('open/app', blob);
    const again = await push('open/other', blob);
    const acme = await push('acme/app', blob);
    expect(open.objectKey).toBe(open.storageKey);
    expect(again.objectKey).toBe(open.storageKey);
    expect(acme.objectKey).toBe(acme.storageKey);
    expect((await push('acme/app/deeper', blob)).objectKey).toBe(acme.storageKey);
  });

  it('never mix in a read: each repository has the object of its own domain', async () => {
    const blob = digest();
    const [open, acme] = [await push('open/app', blob), await push('acme/app', blob)];
    const read = async (name: string): Promise<string | undefined> =>
      (await reads.blob(repository(name), blob, null)).blob?.objectKey;
    expect(await read('open/app')).toBe(open.storageKey);
    expect(await read('acme/app')).toBe(acme.storageKey);
    expect(await read('acme/inner/app')).toBeUndefined();
  });

  it('are never crossed by a mount', async () => {
    const blob = digest();
    await push('open/app', blob);
    const mount = (to: string, from: string): Promise<boolean> =>
      links.mount(repository(to), blob, repository(from), 60);
    expect(await mount('acme/app', 'open/app')).toBe(false);
    expect(await mount('open/other', 'open/app')).toBe(true);
    await push('acme/app', blob);
    expect(await mount('acme/inner/app', 'acme/app')).toBe(false);
    expect(await mount('acme/app/deeper', 'acme/app')).toBe(true);
  });

  it('are not given to a node with content, nor taken from it', async () => {
    await push('late/app', digest());
    await expect(domains.assign('late', 'late')).rejects.toMatchObject({
      code: 'node-not-empty',
      message: expect.stringContaining('late has content already (late/app)') as string,
    });
    await expect(domains.assign('acme', null)).rejects.toMatchObject({ code: 'node-not-empty' });
    await expect(domains.assign('nowhere', 'x')).rejects.toMatchObject({ code: 'node-unknown' });
  });

  it('are not given to a node with an upload under way', async () => {
    const nodes = new PostgresNodeStore(database.source);
    await nodes.create({ kind: 'project', path: 'begun/app' as never, visibility: 'private' });
    const session = await sessions.create({
      repository: repository('begun/app'),
      principalId: null,
      reservedFor: randomUUID(),
      storageKey: randomUUID(),
      algorithm: 'sha256',
      ttlSeconds: 60,
    });
    await expect(domains.assign('begun/app', 'begun')).rejects.toMatchObject({ code: 'node-not-empty' });
    await sessions.remove(session.id, null);
    await domains.assign('begun/app', 'begun');
    await domains.assign('begun/app', null);
    const { storageKey } = await push('begun/app', digest());
    expect((await envelopes.find(storageKey))?.domain).toBe('');
  });

  it('never mix, though a domain is given while the first blobs are pushed', async () => {
    const nodes = new PostgresNodeStore(database.source);
    let given = 0;
    for (let round = 0; round < 15; round += 1) {
      const path = `race-${round}/app`;
      await nodes.create({ kind: 'project', path: path as never, visibility: 'private' });
      const results = await Promise.allSettled([
        ...Array.from({ length: 4 }, (_, index) => push(`${path}/r${index % 2}`, digest())),
        domains.assign(`race-${round}`, `race-${round}`),
      ]);
      if (results.at(-1)?.status === 'fulfilled') given += 1;
      // Whatever failed in the race, a push that comes after it does not.
      await push(`${path}/r0`, digest());
    }
    const mixed = await database.source.query<object[]>(
      `SELECT r.name, b.key_domain, e.key_domain AS stored_under
       FROM repository r JOIN repository_blob rb ON rb.repository_id = r.id JOIN blob b ON b.id = rb.blob_id
       JOIN object_key_envelope e ON e.object_key = b.object_key
       WHERE r.name LIKE 'race-%' AND (b.key_domain <> r.key_domain OR e.key_domain <> r.key_domain)`,
    );
    expect(mixed).toEqual([]);
    const [row] = await database.source.query<{ repositories: string }[]>(
      `SELECT count(*) AS repositories FROM repository WHERE name LIKE 'race-%' AND key_domain <> ''`,
    );
    expect(Number(row?.repositories) > 0).toBe(given > 0);
  });

  it('are kept even by a process that does not encrypt: its uploads do not become blobs', async () => {
    await expect(push('acme/app', digest(), false)).rejects.toThrow(
      'not encrypted under keys of the domain "acme": every process needs SLUICE_ENCRYPTION_KEY_FILE',
    );
  });
});
