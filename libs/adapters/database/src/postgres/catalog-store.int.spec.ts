import { type NodePath, parseNodePath } from '@sluice/domain/access';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CatalogReader } from '../ports/catalog-store.ts';
import { createTestDatabase, seedArtifact, seedEvidence, type TestDatabase } from '../testing/index.ts';
import { PostgresCatalogStore } from './catalog-store.ts';
import { PostgresGrantStore } from './grant-store.ts';
import { PostgresNodeStore } from './node-store.ts';
import { PostgresPrincipalStore } from './principal-store.ts';

describe('the catalog', () => {
  let database: TestDatabase;
  let store: PostgresCatalogStore;
  let nodes: PostgresNodeStore;
  let userId: string;
  const ALL: CatalogReader = { kind: 'all' };

  async function project(path: string, visibility: 'private' | 'internal' | 'public'): Promise<string> {
    const created = await nodes.create({
      kind: 'project',
      path: parseNodePath(path) as NodePath,
      visibility,
    });
    return created.at(-1)?.id ?? '';
  }

  function readBy(
    id: string | null,
    over: Partial<CatalogReader & { kind: 'principal' }> = {},
  ): CatalogReader {
    return { kind: 'principal', id, internal: id !== null, nodeIds: [], ...over };
  }

  async function namesFor(reader: CatalogReader): Promise<string[]> {
    const page = await store.listRepositories({ reader, after: null, limit: 100 });
    return page.map((repository) => repository.name);
  }

  let teamId: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = new PostgresCatalogStore(database.source);
    nodes = new PostgresNodeStore(database.source);
    const principals = new PostgresPrincipalStore(database.source);
    userId = (await principals.create({ kind: 'user', name: 'anna' })).id;
    teamId = await project('team/app', 'private');
    await seedArtifact(database.source, { projectId: teamId, repository: 'team/app/web', tags: ['1'] });
    await seedArtifact(database.source, { projectId: teamId, repository: 'team/app' });
    const openId = await project('open/base', 'public');
    await seedArtifact(database.source, { projectId: openId, repository: 'open/base' });
    const innerId = await project('inner/base', 'internal');
    await seedArtifact(database.source, { projectId: innerId, repository: 'inner/base' });
  });
  afterAll(async () => database.close());

  it('shows a reader what is visible to it, what it is granted from reporter on, and nothing else', async () => {
    expect(await namesFor(ALL)).toEqual(['inner/base', 'open/base', 'team/app', 'team/app/web']);
    expect(await namesFor(readBy(null))).toEqual(['open/base']);
    expect(await namesFor(readBy(userId))).toEqual(['inner/base', 'open/base']);
    expect(await namesFor(readBy(userId, { internal: false, nodeIds: [teamId] }))).toEqual([
      'open/base',
      'team/app',
      'team/app/web',
    ]);
    const team = await nodes.get({ path: 'team' });
    const grants = new PostgresGrantStore(database.source);
    const grant = { principalId: userId, nodeId: team?.id ?? '', source: 'local', expiresAt: null };
    await grants.put({ ...grant, role: 'guest' });
    expect(await namesFor(readBy(userId))).not.toContain('team/app');
    await grants.put({ ...grant, role: 'reporter' });
    expect(await namesFor(readBy(userId))).toContain('team/app');
    await grants.put({ ...grant, role: 'reporter', expiresAt: new Date(Date.now() - 1000) });
    expect(await namesFor(readBy(userId))).not.toContain('team/app');
  });

  it('pages repositories in byte order without repeating or losing one', async () => {
    const first = await store.listRepositories({ reader: ALL, after: null, limit: 2 });
    const second = await store.listRepositories({ reader: ALL, after: first[1]?.name ?? '', limit: 2 });
    expect([...first, ...second].map((each) => each.name)).toEqual(await namesFor(ALL));
    const ofTeam = await store.listRepositories({ reader: ALL, projectId: teamId, after: null, limit: 9 });
    expect(ofTeam.map((each) => each.name)).toEqual(['team/app', 'team/app/web']);
  });

  it('counts artifacts and tags of a repository', async () => {
    const [web] = await store.listRepositories({ reader: ALL, after: 'team/app', limit: 1 });
    expect(web).toMatchObject({ name: 'team/app/web', projectPath: 'team/app', artifacts: 1, tags: 1 });
    expect(await store.repository(web?.id ?? '')).toEqual(web);
    expect(web?.lastPushedAt).toBeInstanceOf(Date);
  });

  it('finds an artifact by tag, by digest and by id, with the size of everything that it names', async () => {
    const seeded = await seedArtifact(database.source, {
      projectId: teamId,
      repository: 'team/app/sized',
      tags: ['b', 'a'],
      layers: [1000, 20],
      pushedBy: userId,
      verdict: { state: 'red', summary: 'scan: no' },
    });
    const artifact = await store.findArtifact('team/app/sized', { tag: 'a' });
    expect(artifact).toMatchObject({
      id: seeded.id,
      digest: seeded.digest,
      tags: ['a', 'b'],
      pushedBy: { id: userId, name: 'anna', kind: 'user' },
      verdict: { id: seeded.verdictId, state: 'red', summary: 'scan: no' },
    });
    expect(artifact?.sizeBytes).toBeGreaterThan(1020);
    expect(artifact?.sizeBytes).toBeLessThan(1100);
    expect(await store.findArtifact('team/app/sized', { digest: seeded.digest })).toEqual(artifact);
    expect(await store.artifact(seeded.id)).toEqual(artifact);
    expect(await store.findArtifact('team/app', { tag: 'a' })).toBeNull();
    expect(await store.locate('artifact', seeded.id)).toEqual({
      projectId: teamId,
      repository: 'team/app/sized',
    });
    expect(await store.locate('verdict', seeded.verdictId)).toMatchObject({ repository: 'team/app/sized' });
    expect(await store.locate('verdict', seeded.id)).toBeNull();
  });

  it('lists artifacts newest first, by repository, kind and verdict', async () => {
    const seed = { projectId: teamId, repository: 'team/app/list' };
    const old = await seedArtifact(database.source, { ...seed, verdict: { state: 'green' } });
    const signature = await seedArtifact(database.source, { ...seed, kind: 'signature' });
    const last = await seedArtifact(database.source, { ...seed, verdict: { state: 'red' } });
    const query = { reader: ALL, repository: seed.repository, after: null, limit: 10 };
    const ids = async (over: object): Promise<string[]> =>
      (await store.listArtifacts({ ...query, ...over })).map((artifact) => artifact.id);
    expect(await ids({})).toEqual([last.id, signature.id, old.id]);
    expect(await ids({ after: last.id, limit: 1 })).toEqual([signature.id]);
    expect(await ids({ kinds: ['image'] })).toEqual([last.id, old.id]);
    expect(await ids({ verdicts: ['red', 'amber'] })).toEqual([last.id]);
    expect(await ids({ reader: readBy(null) })).toEqual([]);
  });

  it('shows what an index names, in its order, with what the repository lacks', async () => {
    const seed = { projectId: teamId, repository: 'team/app/index' };
    const child = await seedArtifact(database.source, { ...seed, verdict: { state: 'green' } });
    const index = await seedArtifact(database.source, {
      ...seed,
      kind: 'index',
      children: [
        { digest: 'sha256:absent', platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
        { digest: child.digest, manifestId: child.id },
      ],
    });
    expect(await store.children(index.id)).toEqual([
      { digest: 'sha256:absent', platform: 'linux/arm64/v8', artifact: null },
      {
        digest: child.digest,
        platform: null,
        artifact: {
          id: child.id,
          kind: 'image',
          verdict: { id: child.verdictId, state: 'green', summary: null },
        },
      },
    ]);
  });

  it('brings evidence about the content and in this repository, not in another', async () => {
    const seed = { projectId: teamId, repository: 'team/app/facts' };
    const { digest, repositoryId, verdictId, id } = await seedArtifact(database.source, seed);
    const other = await seedArtifact(database.source, { ...seed, repository: 'team/app/elsewhere' });
    const signature = {
      kind: 'signature',
      format: 'cosign-legacy',
      source: digest,
      signedDigest: digest,
      verified: false,
      trustedKeys: [],
      predicateType: null,
      reason: 'untrusted',
      checkedAt: '2026-01-01T00:00:00Z',
    } as unknown as Parameters<typeof seedEvidence>[2];
    const everywhere = await seedEvidence(database.source, { digest, repositoryId: null }, signature);
    const here = await seedEvidence(database.source, { digest, repositoryId }, signature);
    await seedEvidence(database.source, { digest, repositoryId: other.repositoryId }, signature);
    const found = await store.evidence(repositoryId, digest);
    expect(found.map((each) => each.id)).toEqual([everywhere, here]);
    expect(found[0]?.payload).toMatchObject({ kind: 'signature', reason: 'untrusted' });
    expect(await store.verdict({ id: verdictId })).toMatchObject({
      artifactId: id,
      state: 'pending',
      results: [],
    });
    expect(await store.verdict({ artifactId: id })).toMatchObject({ id: verdictId });
  });
});
