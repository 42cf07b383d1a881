import { parseNodePath } from '@sluice/domain/access';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NewTrustedKey } from '../ports/trusted-key-store.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresNodeStore } from './node-store.ts';
import { queryRows } from './sql.ts';
import { PostgresTrustedKeyStore } from './trusted-key-store.ts';

const NOBODY = '00000000-0000-7000-8000-000000000000';

describe('the store of trusted keys', () => {
  let database: TestDatabase;
  let store: PostgresTrustedKeyStore;
  let group: string;
  let project: string;
  let sibling: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = new PostgresTrustedKeyStore(database.source);
    const nodes = new PostgresNodeStore(database.source);
    const create = (path: string) =>
      nodes.create({ kind: 'project', path: parseNodePath(path), visibility: 'private' });
    const [top, app] = await create('team/app');
    const [other] = await create('team/other');
    [group, project, sibling] = [top?.id ?? '', app?.id ?? '', other?.id ?? ''];
  });
  afterAll(async () => database.close());
  beforeEach(async () => database.source.query('TRUNCATE trusted_key, outbox'));

  const key = (nodeId: string, name: string, keyId = name): NewTrustedKey => ({
    nodeId,
    name,
    algorithm: 'ecdsa-p256',
    pem: `pem of ${name}`,
    keyId,
    createdBy: 'ada',
  });
  const events = async (): Promise<unknown[]> =>
    (
      await queryRows<{ subject: string; payload: unknown }>(
        database.source,
        `SELECT subject, payload FROM outbox WHERE type = 'trust.changed' ORDER BY seq`,
      )
    ).map(({ subject, payload }) => [subject, payload]);

  it('keeps a key and tells that trust changed, in the node it is added to', async () => {
    const added = await store.add(key(group, 'release'), 10);
    expect(added).toMatchObject({ ...key(group, 'release'), nodePath: 'team' });
    expect(await store.get(added.id)).toEqual(added);
    expect(await events()).toEqual([['team', { nodeId: group }]]);
  });

  it('refuses a second key of the same name in a node, and the same key under a second name', async () => {
    await store.add(key(group, 'release', 'one'), 10);
    await expect(store.add(key(group, 'release', 'two'), 10)).rejects.toMatchObject({
      code: 'trusted-key-name-taken',
    });
    await expect(store.add(key(group, 'other', 'one'), 10)).rejects.toMatchObject({
      code: 'trusted-key-exists',
    });
    await store.add(key(project, 'release', 'one'), 10);
    expect(await events()).toHaveLength(2);
  });

  it('keeps as many keys a node as the limit says, also when they come at once', async () => {
    const attempts = Array.from({ length: 8 }, (_, index) => store.add(key(project, `k${index}`), 3));
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'trusted-key-limit' });
  });

  it('refuses a node that does not exist', async () => {
    await expect(store.add(key(NOBODY, 'release'), 10)).rejects.toMatchObject({ code: 'node-unknown' });
  });

  it('removes a key once and tells that trust changed', async () => {
    const { id } = await store.add(key(project, 'release'), 10);
    expect(await store.remove(id)).toMatchObject({ id, nodePath: 'team/app' });
    expect(await store.remove(id)).toBeNull();
    expect(await store.get(id)).toBeNull();
    expect(await events()).toHaveLength(2);
  });

  it('lists for a node and for a repository what holds there: its own keys and those above it, none beside it', async () => {
    await store.add(key(project, 'b'), 10);
    await store.add(key(project, 'a'), 10);
    await store.add(key(group, 'z'), 10);
    await store.add(key(sibling, 'x'), 10);
    const repository = '01900000-0000-7000-8000-000000000001';
    await database.source.query('INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3)', [
      repository,
      project,
      'team/app/web',
    ]);
    const names = ['z', 'a', 'b'];
    expect((await store.listForNode(project)).map(({ name }) => name)).toEqual(names);
    expect((await store.listForRepository(repository)).map(({ name }) => name)).toEqual(names);
    expect((await store.listForNode(group)).map(({ name }) => name)).toEqual(['z']);
    expect(await store.listForRepository(NOBODY)).toEqual([]);
    expect(await store.listForNode(NOBODY)).toEqual([]);
  });

  it('lists page by page what a reader may see', async () => {
    for (const [node, name] of [
      [group, 'a'],
      [project, 'b'],
      [sibling, 'c'],
    ] as const)
      await store.add(key(node, name), 10);
    await database.source.query(`INSERT INTO principal (id, kind, name) VALUES ($1, 'user', 'eve')`, [
      NOBODY,
    ]);
    const names = async (
      reader: Parameters<typeof store.list>[0]['reader'],
      after: string | null,
      limit: number,
    ) => {
      const page = await store.list({ reader, after, limit });
      return page.map(({ name }) => name);
    };
    const eve = { kind: 'principal', id: NOBODY, internal: true } as const;
    expect(await names({ kind: 'all' }, null, 2)).toEqual(['a', 'b']);
    const [, second] = await store.list({ reader: { kind: 'all' }, after: null, limit: 2 });
    expect(await names({ kind: 'all' }, second?.id ?? null, 2)).toEqual(['c']);
    expect(await names(eve, null, 10)).toEqual([]);
    await database.source.query(
      `INSERT INTO access_grant (id, node_id, principal_id, role) VALUES (gen_random_uuid(), $1, $2, 'guest')`,
      [project, NOBODY],
    );
    expect(await names(eve, null, 10)).toEqual(['b']);
    await database.source.query(`UPDATE node SET visibility = 'internal' WHERE id = $1`, [sibling]);
    expect(await names(eve, null, 10)).toEqual(['b', 'c']);
    expect(await names({ kind: 'principal', id: null, internal: false }, null, 10)).toEqual([]);
  });

  it('forgets the keys of a node that is deleted', async () => {
    const nodes = new PostgresNodeStore(database.source);
    const [, gone] = await nodes.create({
      kind: 'project',
      path: parseNodePath('gone/app'),
      visibility: 'private',
    });
    const { id } = await store.add(key(gone?.id ?? '', 'release'), 10);
    await nodes.delete(gone?.id ?? '');
    expect(await store.get(id)).toBeNull();
  });
});
