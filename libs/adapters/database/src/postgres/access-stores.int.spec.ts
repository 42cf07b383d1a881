import { createHash, randomUUID } from 'node:crypto';
import { AccessError, parseNodePath } from '@sluice/domain/access';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewPrincipal, PrincipalRecord } from '../ports/principal-store.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresCiBindingStore } from './ci-binding-store.ts';
import { PostgresGrantStore } from './grant-store.ts';
import { PostgresNodeStore } from './node-store.ts';
import { PostgresPrincipalStore } from './principal-store.ts';
import { PostgresSecretStore } from './secret-store.ts';
import { PostgresSeenTokens } from './seen-tokens.ts';

describe('the stores of access', () => {
  let database: TestDatabase;
  let principals: PostgresPrincipalStore;
  let grants: PostgresGrantStore;
  let secrets: PostgresSecretStore;
  let bindings: PostgresCiBindingStore;
  let seen: PostgresSeenTokens;
  let nodeId: string;
  let count = 0;

  const user = (extra: Partial<NewPrincipal> = {}) =>
    principals.create({ kind: 'user', name: `user-${count++}`, ...extra });
  const epochOf = async (principal: PrincipalRecord) => (await principals.byId(principal.id))?.epoch;
  const refusal = (action: Promise<unknown>) =>
    action.then(
      () => expect.fail('it was not refused'),
      (error: unknown) => (error instanceof AccessError ? error.code : error),
    );
  const hash = () => createHash('sha256').update(randomUUID()).digest();

  beforeAll(async () => {
    database = await createTestDatabase();
    principals = new PostgresPrincipalStore(database.source);
    grants = new PostgresGrantStore(database.source);
    secrets = new PostgresSecretStore(database.source);
    bindings = new PostgresCiBindingStore(database.source);
    seen = new PostgresSeenTokens(database.source);
    const nodes = new PostgresNodeStore(database.source);
    const created = await nodes.create({
      kind: 'project',
      path: parseNodePath('team/app'),
      visibility: 'private',
    });
    nodeId = created.at(-1)?.id ?? expect.fail('no node');
  });
  afterAll(async () => database.close());

  describe('principals', () => {
    it('have one name over all kinds', async () => {
      await principals.create({ kind: 'user', name: 'anna' });
      expect(await refusal(principals.create({ kind: 'robot', name: 'anna' }))).toBe('name-taken');
    });

    it('get a new epoch by whatever takes rights away, and keep it otherwise', async () => {
      const anna = await user({ isAdmin: true });
      await user({ isAdmin: true });
      const epochs = [anna.epoch];
      for (const change of [
        { displayName: 'Anna' },
        { email: 'anna@example.com' },
        { isAdmin: true },
        { disabled: false },
        { expiresAt: null },
        { passwordHash: 'x' },
        { isAdmin: false },
        { disabled: true },
        { expiresAt: new Date() },
      ]) {
        epochs.push((await principals.update(anna.id, change)).epoch);
      }
      expect(epochs).toEqual([1, 1, 1, 1, 1, 1, 2, 3, 4, 5]);
    });

    it('keep what is not changed', async () => {
      const anna = await user({
        email: 'a@example.com',
        displayName: 'Anna',
        expiresAt: new Date('2030-01-01'),
      });
      const { epoch: _, ...before } = anna;
      const after = await principals.update(anna.id, { passwordHash: 'y' });
      expect(after).toMatchObject(before);
      expect((await principals.byName(anna.name))?.passwordHash).toBe('y');
    });

    it('the last administrator who can sign in stays one', async () => {
      await database.source.query('UPDATE principal SET is_admin = false');
      const [a, b] = [await user({ isAdmin: true }), await user({ isAdmin: true })];
      await principals.update(b.id, { disabled: true });
      for (const take of [
        () => principals.update(a.id, { isAdmin: false }),
        () => principals.update(a.id, { disabled: true }),
        () => principals.update(a.id, { expiresAt: new Date() }),
        () => principals.delete(a.id),
      ]) {
        expect(await refusal(take())).toBe('last-admin');
      }
      await principals.update(b.id, { disabled: false });
      const results = await Promise.allSettled([principals.delete(a.id), principals.delete(b.id)]);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('are listed by name, page by page', async () => {
      for (const name of ['zz-2', 'zz-1', 'zz-10']) await principals.create({ kind: 'robot', name, nodeId });
      const names = async (after: string | null) =>
        (await principals.list({ kind: 'robot', nodeId, after, limit: 2 })).map(({ name }) => name);
      expect(await names(null)).toEqual(['zz-1', 'zz-10']);
      expect(await names('zz-10')).toEqual(['zz-2']);
    });
  });

  describe('grants', () => {
    const put = (
      principalId: string,
      role: 'guest' | 'developer' | 'owner',
      expiresAt: Date | null = null,
      source = 'local',
    ) => grants.put({ principalId, nodeId, role, source, expiresAt });

    it('one principal has one grant a node and source; the newer replaces it', async () => {
      const anna = await user();
      const first = await put(anna.id, 'guest');
      const second = await put(anna.id, 'owner');
      expect(second.id).toBe(first.id);
      expect(second).toMatchObject({ role: 'owner', principalName: anna.name, nodePath: 'team/app' });
      await put(anna.id, 'guest', null, 'gitlab:group:12');
      const found = await grants.list({ nodeId, inherited: false, after: null, limit: 500 });
      expect(found.filter(({ principalId }) => principalId === anna.id)).toHaveLength(2);
    });

    it('less role, an earlier end and removal raise the epoch; more role and a later end do not', async () => {
      const anna = await user();
      const soon = new Date(Date.now() + 60_000);
      const later = new Date(Date.now() + 120_000);
      const epochs = [];
      for (const [role, expiresAt] of [
        ['developer', soon],
        ['owner', soon],
        ['owner', later],
        ['owner', null],
        ['owner', later],
        ['guest', later],
      ] as const) {
        await put(anna.id, role, expiresAt);
        epochs.push(await epochOf(anna));
      }
      expect(epochs).toEqual([1, 1, 1, 1, 2, 3]);
      const grant = (await grants.list({ nodeId, inherited: false, after: null, limit: 500 })).find(
        (each) => each.principalId === anna.id,
      );
      expect(await grants.remove(grant?.id ?? '')).toBe(true);
      expect(await epochOf(anna)).toBe(4);
      expect(await grants.remove(grant?.id ?? '')).toBe(false);
    });

    it('whoever is shown the grant to be replaced can keep it', async () => {
      const anna = await user();
      await put(anna.id, 'owner');
      const keep = () => {
        throw new AccessError('denied', 'kept');
      };
      expect(
        await refusal(
          grants.put({ principalId: anna.id, nodeId, role: 'guest', source: 'local', expiresAt: null }, keep),
        ),
      ).toBe('denied');
      expect(
        (await grants.list({ nodeId, inherited: false, after: null, limit: 500 })).find(
          (each) => each.principalId === anna.id,
        )?.role,
      ).toBe('owner');
    });

    it('of two that are written at once the later one is shown the earlier', async () => {
      for (let round = 0; round < 15; round++) {
        const somebody = await user();
        let shown = 0;
        const puts = (['owner', 'guest'] as const).map((role) =>
          grants.put(
            { principalId: somebody.id, nodeId, role, source: 'local', expiresAt: null },
            () => shown++,
          ),
        );
        await Promise.all(puts);
        expect(shown).toBe(1);
      }
    });

    it('need a node and a principal that exist', async () => {
      const anna = await user();
      expect(await refusal(put(randomUUID(), 'guest'))).toBe('principal-unknown');
      expect(
        await refusal(
          grants.put({
            principalId: anna.id,
            nodeId: randomUUID(),
            role: 'guest',
            source: 'local',
            expiresAt: null,
          }),
        ),
      ).toBe('node-unknown');
    });

    it('are listed with the inherited ones when asked', async () => {
      const anna = await user();
      const groupId = (await new PostgresNodeStore(database.source).get({ path: 'team' }))?.id ?? '';
      await grants.put({
        principalId: anna.id,
        nodeId: groupId,
        role: 'guest',
        source: 'local',
        expiresAt: null,
      });
      const of = async (inherited: boolean) =>
        (await grants.list({ nodeId, inherited, after: null, limit: 500 })).filter(
          (each) => each.principalId === anna.id,
        );
      expect(await of(false)).toEqual([]);
      expect((await of(true)).map(({ nodePath }) => nodePath)).toEqual(['team']);
    });
  });

  describe('secrets', () => {
    const create = (principalId: string, limit = 2, expiresAt: Date | null = null) => {
      const secret = {
        principalId,
        kind: 'robot',
        name: 's',
        hash: hash(),
        scopes: ['*'],
        expiresAt,
      } as const;
      return secrets.create(secret, limit).then((record) => ({ record, hash: secret.hash }));
    };

    it('are found by hash with their principal', async () => {
      const anna = await user();
      const { record, hash: stored } = await create(anna.id);
      expect(await secrets.byHash(stored)).toEqual({ secret: record, principal: anna });
      expect(await secrets.byHash(hash())).toBeNull();
    });

    it('two may live; a revoked or expired one makes room', async () => {
      const robot = await user();
      const first = await create(robot.id);
      await create(robot.id, 2, new Date(Date.now() - 1));
      await create(robot.id);
      expect(await refusal(create(robot.id))).toBe('limit-reached');
      expect(await secrets.revoke(first.record.id)).toBe(true);
      await create(robot.id);
    });

    it('the oldest makes room where that is asked for, and of that kind alone', async () => {
      const anna = await user();
      const robot = await create(anna.id);
      const logins: string[] = [];
      for (let round = 0; round < 4; round++) {
        const secret = {
          principalId: anna.id,
          kind: 'refresh',
          name: 'x',
          scopes: [],
          expiresAt: null,
        } as const;
        logins.push((await secrets.create({ ...secret, hash: hash() }, 2, 'revoke-oldest')).id);
      }
      const alive = async (id: string) => (await secrets.get(id))?.revokedAt === null;
      expect(await Promise.all([...logins, robot.record.id].map(alive))).toEqual([
        false,
        false,
        true,
        true,
        true,
      ]);
      expect(await epochOf(anna)).toBe(1);
    });

    it('two requests at once cannot both take the last place', async () => {
      const robot = await user();
      const results = await Promise.allSettled(Array.from({ length: 6 }, () => create(robot.id)));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    });

    it('revocation raises the epoch once', async () => {
      const anna = await user();
      const { record } = await create(anna.id);
      expect([await secrets.revoke(record.id), await secrets.revoke(record.id)]).toEqual([true, false]);
      expect(await epochOf(anna)).toBe(2);
    });

    it('use is noted at most once a minute', async () => {
      const anna = await user();
      const { record } = await create(anna.id);
      const used = async () => (await secrets.get(record.id))?.lastUsedAt;
      const at = new Date('2026-11-21T12:00:00Z');
      await secrets.touch(record.id, at);
      await secrets.touch(record.id, new Date(at.getTime() + 30_000));
      expect(await used()).toEqual(at);
      await secrets.touch(record.id, new Date(at.getTime() + 61_000));
      expect(await used()).toEqual(new Date(at.getTime() + 61_000));
    });
  });

  describe('CI bindings', () => {
    const issuer = 'https://gitlab.example';
    const bind = (gitlabProjectId: string, node = nodeId) =>
      bindings.create({
        issuer,
        gitlabProjectId,
        gitlabProjectPath: 'acme/app',
        nodeId: node,
        role: 'developer',
        conditions: { refProtected: true },
      });

    it('make one workload a GitLab project, with all its bindings', async () => {
      const groupId = (await new PostgresNodeStore(database.source).get({ path: 'team' }))?.id ?? '';
      const first = await bind('42');
      const second = await bind('42', groupId);
      expect(second.principalId).toBe(first.principalId);
      const found = await bindings.forProject(issuer, '42');
      expect(found?.principal).toMatchObject({ kind: 'workload', name: 'gitlab:https://gitlab.example#42' });
      expect(found?.bindings.map(({ nodeId: node, conditions }) => [node, conditions])).toEqual([
        [nodeId, { refProtected: true }],
        [groupId, { refProtected: true }],
      ]);
      expect(await bindings.forProject('https://other.example', '42')).toBeNull();
      expect(await bindings.forProject(issuer, '4')).toBeNull();
    });

    it('that end while they are read do not go with the epoch that ended them', async () => {
      const groupId = (await new PostgresNodeStore(database.source).get({ path: 'team' }))?.id ?? '';
      const ended = await bind('88');
      await bind('88', groupId);
      const runner = database.source.createQueryRunner();
      try {
        await runner.startTransaction();
        // Whoever has read the bindings by now must wait for the principal, and the other way round.
        await runner.query('LOCK TABLE principal IN ACCESS EXCLUSIVE MODE');
        const reading = bindings.forProject(issuer, '88');
        await expect
          .poll(() =>
            runner.query(`SELECT count(*)::int AS waiting FROM pg_locks JOIN pg_database d ON d.oid = database
            WHERE d.datname = current_database() AND NOT granted`),
          )
          .toEqual([{ waiting: 1 }]);
        await runner.query('DELETE FROM ci_binding WHERE id = $1', [ended.id]);
        await runner.query('UPDATE principal SET epoch = 2 WHERE id = $1', [ended.principalId]);
        await runner.commitTransaction();
        const found = await reading;
        expect([found?.principal.epoch, found?.bindings.length]).toEqual([2, 1]);
      } finally {
        if (runner.isTransactionActive) await runner.rollbackTransaction();
        await runner.release();
      }
    });

    it('bind a project to a node once; ending one raises the epoch of its workload', async () => {
      const binding = await bind('77');
      expect(await refusal(bind('77'))).toBe('binding-taken');
      expect(await bindings.remove(binding.id)).toBe(true);
      expect((await principals.byId(binding.principalId))?.epoch).toBe(2);
      expect(await bindings.forProject(issuer, '77')).toBeNull();
      expect((await bind('77')).principalId).toBe(binding.principalId);
    });
  });

  describe('seen tokens', () => {
    const token = (jti: string, text: string) => ({
      issuer: 'https://gitlab.example',
      jti,
      hash: createHash('sha256').update(text).digest(),
      expiresAt: new Date(Date.now() + 60_000),
    });

    it('the same token is used again and again; another with its jti is not', async () => {
      expect(await seen.use(token('a', 'one'))).toBe(true);
      expect(await seen.use(token('a', 'one'))).toBe(true);
      expect(await seen.use(token('a', 'two'))).toBe(false);
      expect(await seen.use({ ...token('a', 'two'), issuer: 'https://other.example' })).toBe(true);
    });

    it('a token is exchanged once, also after it was used; of many at once one wins', async () => {
      await seen.use(token('b', 'one'));
      const results = await Promise.all(Array.from({ length: 5 }, () => seen.exchange(token('b', 'one'))));
      expect(results.filter(Boolean)).toHaveLength(1);
      expect(await seen.use(token('b', 'one'))).toBe(true);
      expect(await seen.exchange(token('b', 'two'))).toBe(false);
    });

    it('what has expired is forgotten', async () => {
      await seen.use({ ...token('c', 'one'), expiresAt: new Date(Date.now() - 1_000) });
      expect(await seen.forgetExpired(new Date())).toBe(1);
      expect(await seen.use(token('c', 'two'))).toBe(true);
    });
  });
});
