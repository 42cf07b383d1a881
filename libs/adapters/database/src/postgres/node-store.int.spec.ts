import { randomUUID } from 'node:crypto';
import { AccessError, type NodeKind, parseNodePath, type Visibility } from '@sluice/domain/access';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeReader } from '../ports/node-store.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresGrantStore } from './grant-store.ts';
import { PostgresNodeStore } from './node-store.ts';
import { PostgresPrincipalStore } from './principal-store.ts';

describe('the tree of nodes', () => {
  let database: TestDatabase;
  let nodes: PostgresNodeStore;
  let principals: PostgresPrincipalStore;
  let grants: PostgresGrantStore;
  const create = async (path: string, kind: NodeKind = 'project', visibility: Visibility = 'private') => {
    const created = await nodes.create({ kind, path: parseNodePath(path), visibility });
    return created.at(-1) ?? expect.fail('nothing was created');
  };
  const code = async (action: Promise<unknown>) => {
    const error = await action.then(
      () => expect.fail('it was not refused'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(AccessError);
    return (error as AccessError).code;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    nodes = new PostgresNodeStore(database.source);
    principals = new PostgresPrincipalStore(database.source);
    grants = new PostgresGrantStore(database.source);
  });
  afterAll(async () => database.close());

  it('makes the groups that are missing on the way, private, and returns all from the top down', async () => {
    const created = await nodes.create({
      kind: 'project',
      path: parseNodePath('deep/in/tree'),
      visibility: 'public',
    });
    expect(created.map(({ kind, path, visibility }) => [kind, path, visibility])).toEqual([
      ['group', 'deep', 'private'],
      ['group', 'deep/in', 'private'],
      ['project', 'deep/in/tree', 'public'],
    ]);
    expect(created[2]?.parentId).toBe(created[1]?.id);
    const second = await nodes.create({
      kind: 'project',
      path: parseNodePath('deep/in/other'),
      visibility: 'private',
    });
    expect(second.map(({ path }) => path)).toEqual(['deep/in/other']);
  });

  it('a path is taken once, by a group or a project', async () => {
    await create('taken/app');
    expect(await code(create('taken/app'))).toBe('path-taken');
    expect(await code(create('taken/app', 'group'))).toBe('path-taken');
    expect(await code(create('taken'))).toBe('path-taken');
  });

  it('nothing lies below a project', async () => {
    await create('flat/app');
    expect(await code(create('flat/app/sub'))).toBe('path-invalid');
    expect(await code(create('flat/app/sub/deeper', 'group'))).toBe('path-invalid');
  });

  it('creates many projects of one new group at once: each exists, the group exists once', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => create(`racing/p${index}`)));
    const found = await nodes.list({ under: 'racing', reader: { kind: 'all' }, after: null, limit: 50 });
    expect(found).toHaveLength(8);
    expect(new Set(found.map(({ parentId }) => parentId)).size).toBe(1);
  });

  it('one of many that want the same path gets it', async () => {
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => create('contested/app')));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('the project of a repository is the one whose path leads its name', async () => {
    const app = await create('owner/app');
    const owner = async (repository: string) => (await nodes.get({ repository }))?.id ?? null;
    expect(await owner('owner/app')).toBe(app.id);
    expect(await owner('owner/app/web/nginx')).toBe(app.id);
    expect(await owner('owner/app2')).toBeNull();
    expect(await owner('owner')).toBeNull();
  });

  it('the nearest node is the deepest one at or above a path', async () => {
    const app = await create('near/app');
    expect((await nodes.get({ nearest: 'near/new/thing' }))?.path).toBe('near');
    expect((await nodes.get({ nearest: 'near/app/x' }))?.id).toBe(app.id);
    expect(await nodes.get({ nearest: 'elsewhere/x' })).toBeNull();
  });

  it('the context brings lineage and the grants of one principal on it, and no others', async () => {
    const app = await create('ctx/app');
    await create('ctx/sibling');
    const anna = await principals.create({ kind: 'user', name: 'ctx-anna' });
    const bob = await principals.create({ kind: 'user', name: 'ctx-bob' });
    const id = async (path: string) => (await nodes.get({ path }))?.id ?? expect.fail(path);
    const expiresAt = new Date('2027-01-01T00:00:00.123Z');
    for (const [principal, path, role] of [
      [anna, 'ctx', 'developer'],
      [anna, 'ctx/sibling', 'owner'],
      [bob, 'ctx/app', 'owner'],
    ] as const) {
      await grants.put({
        principalId: principal.id,
        nodeId: await id(path),
        role,
        source: 'local',
        expiresAt,
      });
    }
    const context = await nodes.context({ repository: 'ctx/app/web' }, anna.id);
    expect(context?.node).toEqual({
      id: app.id,
      kind: 'project',
      path: 'ctx/app',
      visibility: 'private',
      lineage: [
        { id: await id('ctx'), kind: 'group', path: 'ctx' },
        { id: app.id, kind: 'project', path: 'ctx/app' },
      ],
    });
    expect(context?.grants).toEqual([
      { principalId: anna.id, nodeId: await id('ctx'), role: 'developer', source: 'local', expiresAt },
    ]);
    expect((await nodes.context({ path: 'ctx/app' }, null))?.grants).toEqual([]);
    expect(await nodes.context({ id: randomUUID() }, anna.id)).toBeNull();
  });

  it('a list shows what the reader may see, in byte order, page by page', async () => {
    await create('list/b');
    await create('list/a-b', 'project', 'internal');
    await create('list/a', 'project', 'public');
    const anna = await principals.create({ kind: 'user', name: 'list-anna' });
    const b = (await nodes.get({ path: 'list/b' }))?.id ?? expect.fail('list/b');
    const seen = async (reader: NodeReader) => {
      const found = await nodes.list({ kind: 'project', under: 'list', reader, after: null, limit: 50 });
      return found.map(({ path }) => path);
    };
    const asAnna: NodeReader = { kind: 'principal', id: anna.id, internal: true, nodeIds: [] };
    expect(await seen({ kind: 'all' })).toEqual(['list/a', 'list/a-b', 'list/b']);
    expect(await seen({ kind: 'principal', id: null, internal: false, nodeIds: [] })).toEqual(['list/a']);
    expect(await seen(asAnna)).toEqual(['list/a', 'list/a-b']);
    const grant = { principalId: anna.id, nodeId: b, role: 'guest', source: 'local' } as const;
    await grants.put({ ...grant, expiresAt: new Date(Date.now() + 60_000) });
    expect(await seen(asAnna)).toEqual(['list/a', 'list/a-b', 'list/b']);
    await grants.put({ ...grant, expiresAt: new Date(Date.now() - 1) });
    expect(await seen(asAnna)).toEqual(['list/a', 'list/a-b']);
    expect(await seen({ kind: 'principal', id: null, internal: false, nodeIds: [b] })).toEqual([
      'list/a',
      'list/b',
    ]);
    const second = await nodes.list({
      kind: 'project',
      under: 'list',
      reader: { kind: 'all' },
      after: 'list/a',
      limit: 1,
    });
    expect(second.map(({ path }) => path)).toEqual(['list/a-b']);
  });

  it('only what is empty is deleted: no group with nodes, no project with artifacts', async () => {
    const app = await create('gone/app');
    const group = await nodes.get({ path: 'gone' });
    expect(await code(nodes.delete(group?.id ?? ''))).toBe('node-not-empty');
    const [repository, manifest] = [randomUUID(), randomUUID()];
    await database.source.query('INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3)', [
      repository,
      app.id,
      'gone/app/web',
    ]);
    await database.source.query(
      `INSERT INTO manifest (id, repository_id, digest, media_type, kind, size, content) VALUES ($1, $2, 'sha256:x', 'm', 'image', 2, '{}')`,
      [manifest, repository],
    );
    expect(await code(nodes.delete(app.id))).toBe('node-not-empty');
    expect(await nodes.get({ id: app.id })).not.toBeNull();
    await database.source.query('DELETE FROM manifest WHERE id = $1', [manifest]);
    await nodes.delete(app.id);
    await nodes.delete(group?.id ?? '');
    expect(await nodes.get({ path: 'gone' })).toBeNull();
    expect(await code(nodes.delete(app.id))).toBe('node-unknown');
  });

  it('whoever had rights by a deleted node has no token that holds for one of the same name', async () => {
    const app = await create('again/app');
    const group = (await nodes.get({ path: 'again' }))?.id ?? expect.fail('again');
    const epochs = async () =>
      database.source.query<object[]>(
        `SELECT name, epoch FROM principal WHERE name LIKE 'again-%' ORDER BY name`,
      );
    const holder = async (name: string, nodeId: string): Promise<string> => {
      const { id } = await principals.create({ kind: 'user', name });
      await grants.put({ principalId: id, nodeId, role: 'developer', source: 'local', expiresAt: null });
      return id;
    };
    await holder('again-above', group);
    await holder('again-here', app.id);
    const [job, binding] = [randomUUID(), randomUUID()];
    await database.source.query(
      `INSERT INTO principal (id, kind, name) VALUES ($1, 'workload', 'again-job')`,
      [job],
    );
    await database.source.query(
      `INSERT INTO ci_binding (id, principal_id, issuer, gitlab_project_id, gitlab_project_path, node_id, role)
       VALUES ($1, $2, 'https://gitlab.test', 7, 'x', $3, 'developer')`,
      [binding, job, app.id],
    );
    await nodes.delete(app.id);
    expect(await epochs()).toEqual([
      { name: 'again-above', epoch: 1 },
      { name: 'again-here', epoch: 2 },
      { name: 'again-job', epoch: 2 },
    ]);
  });

  it('a manifest that arrives while its project is being deleted is not lost', async () => {
    const app = await create('race/app');
    const [repository, manifest] = [randomUUID(), randomUUID()];
    await database.source.query('INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3)', [
      repository,
      app.id,
      'race/app/web',
    ]);
    const push = database.source.createQueryRunner();
    await push.startTransaction();
    await push.query(
      `INSERT INTO manifest (id, repository_id, digest, media_type, kind, size, content) VALUES ($1, $2, 'sha256:y', 'm', 'image', 2, '{}')`,
      [manifest, repository],
    );
    const deletion = code(nodes.delete(app.id));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await push.commitTransaction();
    await push.release();
    expect(await deletion).toBe('node-not-empty');
    expect(await database.source.query('SELECT id FROM manifest WHERE id = $1', [manifest])).toHaveLength(1);
  });
});
