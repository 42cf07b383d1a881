import { queryRows } from '@sluice/database/postgres';
import { DEFAULT_POLICY } from '@sluice/domain/policy';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADMIN, World } from './testing/world.ts';

const SCAN = { name: 'scanned', kind: 'scan' };
const MISSING = '00000000-0000-7000-8000-000000000000';

describe('policies', () => {
  let world: World;
  let team: string;
  let app: string;
  beforeAll(async () => {
    world = await World.create();
    team = await world.node('group', 'team');
    app = await world.node('project', 'team/app');
  });
  afterAll(async () => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    await world.database.source.query('TRUNCATE policy, policy_version, outbox');
    world.audit.events.length = 0;
  });

  const events = async () =>
    (
      await queryRows<{ payload: unknown }>(
        world.database.source,
        `SELECT payload FROM outbox WHERE type = 'policy.changed'`,
      )
    ).map(({ payload }) => payload);

  it('have a version that rises with every change, and keep all of them', async () => {
    const first = await world.apply(team, 'release', [SCAN]);
    const second = await world.apply(team, 'release', [SCAN], 'audit');
    expect(first).toMatchObject({ changed: true, policy: { version: 1, nodePath: 'team', name: 'release' } });
    expect(second).toMatchObject({ changed: true, policy: { id: first.policy.id, version: 2 } });
    expect(await world.policies.versions(first.policy.id)).toMatchObject([
      { version: 2, document: { spec: { mode: 'audit' } } },
      { version: 1, document: { spec: { mode: 'enforce' } } },
    ]);
    expect(await events()).toEqual([{ nodeId: team }, { nodeId: team }]);
  });

  it('do not change when the document says what is in force already, however it is written', async () => {
    await world.apply(team, 'release', [SCAN]);
    const yaml = `
# the same, with a comment and every default written out
kind: Policy
apiVersion: sluice.dev/v1
metadata:
  name: release
spec:
  mode: enforce
  rules:
    - kind: scan
      onMissing: deny
      noAdvisoryData: deny
      allowedStates: [findings, ok]
      name: scanned
`;
    expect(await world.policies.apply(ADMIN, { nodeId: team, text: yaml })).toMatchObject({
      changed: false,
      policy: { version: 1 },
    });
    expect(await events()).toHaveLength(1);
    expect(world.audit.events).toHaveLength(1);
  });

  it('change only from the version that the author has seen', async () => {
    const text = (mode: string) =>
      JSON.stringify({ ...DEFAULT_POLICY, metadata: { name: 'p' }, spec: { ...DEFAULT_POLICY.spec, mode } });
    const apply = (mode: string, expectedVersion: number) =>
      world.policies.apply(ADMIN, { nodeId: team, text: text(mode), expectedVersion });
    await expect(apply('audit', 1)).rejects.toMatchObject({ code: 'policy-changed' });
    const { policy } = await apply('audit', 0);
    await expect(apply('off', 0)).rejects.toMatchObject({ code: 'policy-changed' });
    const race = await Promise.allSettled([apply('off', 1), apply('enforce', 1)]);
    expect(race.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await expect(world.policies.delete(ADMIN, policy.id, 1)).rejects.toMatchObject({
      code: 'policy-changed',
    });
    await world.policies.delete(ADMIN, policy.id, 2);
  });

  it('are audited with author, place, version and document', async () => {
    const { policy } = await world.apply(team, 'release', [SCAN]);
    await world.apply(null, 'everywhere', [SCAN]);
    await world.policies.delete(ADMIN, policy.id);
    expect(world.audit.events).toMatchObject([
      {
        actor: 'admin',
        action: 'policy.apply',
        resource: 'team',
        policyVersion: 'release@1',
        detail: { document: { kind: 'Policy' } },
      },
      { action: 'policy.apply', resource: 'installation', policyVersion: 'everywhere@1' },
      { action: 'policy.delete', resource: 'team', policyVersion: 'release@1' },
    ]);
    expect(await events()).toEqual([{ nodeId: team }, { nodeId: null }, { nodeId: team }]);
  });

  it('are refused as a whole when they have faults, or no place', async () => {
    await expect(world.apply(team, 'Release', [{ name: 'r', kind: 'scans' }])).rejects.toMatchObject({
      code: 'policy-invalid',
      problems: [{ path: 'metadata.name' }, { path: 'spec.rules[0].kind' }],
    });
    await expect(world.apply(MISSING, 'release', [SCAN])).rejects.toMatchObject({
      code: 'policy-node-unknown',
    });
    await expect(world.policies.delete(ADMIN, MISSING)).rejects.toMatchObject({ code: 'policy-unknown' });
    expect(await events()).toEqual([]);
  });

  it('begin with the default policy, which stays as it was edited and cannot be deleted', async () => {
    await Promise.all([world.policies.ensureDefault(), world.policies.ensureDefault()]);
    const scope = { kind: 'own', nodeId: null } as const;
    const [policy] = await world.policies.list({ scope, after: null, limit: 9 });
    expect(policy).toMatchObject({ name: 'default', version: 1, document: DEFAULT_POLICY, nodeId: null });
    await world.apply(null, 'default', [SCAN], 'audit');
    await world.policies.ensureDefault();
    expect(await world.policies.get(policy?.id ?? '')).toMatchObject({
      version: 2,
      document: { spec: { mode: 'audit' } },
    });
    await expect(world.policies.delete(ADMIN, policy?.id ?? '')).rejects.toMatchObject({
      code: 'policy-protected',
    });
    // The name is special only there.
    const { policy: ofTeam } = await world.apply(team, 'default', [SCAN]);
    await world.policies.delete(ADMIN, ofTeam.id);
  });

  it('are listed by where they are attached, where they hold, and who may see them, in pages', async () => {
    await world.apply(null, 'a', [SCAN]);
    await world.apply(team, 'b', [SCAN]);
    await world.apply(app, 'c', [SCAN]);
    const names = async (scope: Parameters<typeof world.policies.list>[0]['scope']) =>
      (await world.policies.list({ scope, after: null, limit: 9 })).map(({ name }) => name);
    expect(await names({ kind: 'own', nodeId: null })).toEqual(['a']);
    expect(await names({ kind: 'own', nodeId: team })).toEqual(['b']);
    expect(await names({ kind: 'effective', nodeId: app })).toEqual(['a', 'b', 'c']);
    expect(await names({ kind: 'effective', nodeId: team })).toEqual(['a', 'b']);
    expect(await names({ kind: 'readable', reader: { kind: 'all' } })).toEqual(['a', 'b', 'c']);
    expect(
      await names({ kind: 'readable', reader: { kind: 'principal', id: null, internal: false } }),
    ).toEqual(['a']);
    const scope = { kind: 'effective', nodeId: app } as const;
    const [first] = await world.policies.list({ scope, after: null, limit: 1 });
    const rest = await world.policies.list({ scope, after: first?.id ?? null, limit: 9 });
    expect(rest.map(({ name }) => name)).toEqual(['b', 'c']);
  });

  it('go with their node', async () => {
    const gone = await world.node('project', 'gone');
    const { policy } = await world.apply(gone, 'p', [SCAN]);
    await world.database.source.query('DELETE FROM node WHERE id = $1', [gone]);
    expect(await world.policies.get(policy.id)).toBeNull();
    expect(await world.policies.versions(policy.id)).toEqual([]);
  });
});
