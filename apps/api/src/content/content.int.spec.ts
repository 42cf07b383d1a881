import type { Finding, ScanEvidence } from '@sluice/domain/policy';
import { PostgresJobLedger, PostgresPrincipalStore, PostgresVerdictStore } from '@sluice/database/postgres';
import { Verdicts } from '@sluice/gate';
import { Passwords } from '@sluice/identity';
import { type SeededArtifact, seedArtifact, seedEvidence } from '@sluice/database/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

const admin = basic('admin', 'admin-password');
const stranger = basic('stranger', 'stranger-password');

function scan(findings: readonly Partial<Finding>[], over: Partial<ScanEvidence> = {}): ScanEvidence {
  return {
    kind: 'scan',
    state: findings.length > 0 ? 'findings' : 'ok',
    reasons: [],
    packages: 3,
    findings: findings.map((finding, index) => ({
      advisory: `GHSA-${index}`,
      aliases: [],
      package: { purl: 'pkg:npm/x@1', ecosystem: 'npm', name: 'x', version: '1' },
      severity: 'low',
      score: null,
      fixedVersion: null,
      layer: null,
      path: 'package.json',
      ...finding,
    })),
    engine: 'test/1',
    advisoryRevision: 1,
    scannedAt: '2026-01-01T00:00:00Z',
    ...over,
  };
}

describe('reading what was pushed', () => {
  let api: TestApi;
  let projectId: string;
  let image: SeededArtifact;

  async function get(url: string, headers: Record<string, string> = { authorization: admin }) {
    return api.app.inject({ url: `/api/v1${url}`, headers });
  }

  async function projectAt(path: string, visibility: string): Promise<string> {
    const response = await api.app.inject({
      method: 'POST',
      url: '/api/v1/projects',
      headers: { authorization: admin },
      payload: { path, visibility },
    });
    return uuidOf(response.json().id);
  }

  function verdicts(): Verdicts {
    const { source } = api.database;
    return new Verdicts(new PostgresVerdictStore(source), new PostgresJobLedger(source));
  }

  function uuidOf(id: string): string {
    return id.slice(id.indexOf('_') + 1).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  function idOf(prefix: string, uuid: string): string {
    return `${prefix}_${uuid.replaceAll('-', '')}`;
  }

  beforeAll(async () => {
    api = await createTestApi();
    await new PostgresPrincipalStore(api.database.source).create({
      kind: 'user',
      name: 'stranger',
      passwordHash: await new Passwords().hash('stranger-password'),
    });
    projectId = await projectAt('team/app', 'private');
    image = await seedArtifact(api.database.source, {
      projectId,
      repository: 'team/app/web',
      tags: ['1.0'],
      verdict: {
        state: 'red',
        summary: 'vulnerabilities: one critical',
        results: [
          {
            scope: 'installation',
            policy: 'default',
            policyVersion: 1,
            rule: 'no-fixable-critical',
            kind: 'vulnerabilities',
            mode: 'enforce',
            outcome: 'fail',
            reason: 'one critical finding has a fix',
            expected: 'none',
            found: 'GHSA-0 in x 1',
            evidence: ['0192a000-0000-7000-8000-000000000001'],
            remedy: 'a developer of team/app: update x to 2',
          },
        ],
      },
    });
    await seedEvidence(
      api.database.source,
      { digest: image.digest, repositoryId: null },
      scan([{ severity: 'low' }, { severity: 'critical', fixedVersion: '2' }, { severity: 'high' }]),
    );
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  it('resolves a reference by tag, by digest, and with one of its own host names', async () => {
    for (const ref of [
      'team/app/web:1.0',
      `team/app/web@${image.digest}`,
      'sluice.test/team/app/web:1.0',
      'localhost:80/team/app/web:1.0',
    ]) {
      const response = await get(`/resolve?ref=${encodeURIComponent(ref)}`);
      expect(response.json(), ref).toMatchObject({
        id: idOf('art', image.id),
        repository: 'team/app/web',
        digest: image.digest,
        kind: 'image',
        tags: ['1.0'],
        verdict: { id: idOf('ver', image.verdictId), state: 'red' },
      });
      expect(response.headers.etag).toBeDefined();
    }
  });

  it('answers for no other registry, and 404 for what does not exist', async () => {
    const status = async (ref: string) => {
      const response = await get(`/resolve?ref=${encodeURIComponent(ref)}`);
      return [response.statusCode, response.json().code];
    };
    expect(await status('registry.example:5000/team/app/web:1.0')).toEqual([400, 'other-registry']);
    expect(await status('team/app/web:none')).toEqual([404, 'artifact-unknown']);
    expect(await status('nobody/nothing:1')).toEqual([404, 'not-found']);
    expect(await status('team/app/WEB')).toEqual([400, 'reference-invalid']);
  });

  it('tells a caller without rights nothing: 401 to anonymous, 404 to whoever may not read', async () => {
    const paths = [
      '/resolve?ref=team/app/web:1.0',
      '/artifacts?repository=team/app/web',
      `/artifacts/${idOf('art', image.id)}`,
      `/artifacts/${idOf('art', image.id)}/findings`,
      `/artifacts/${idOf('art', image.id)}/verdict`,
      `/verdicts/${idOf('ver', image.verdictId)}`,
      `/repositories/${idOf('rep', image.repositoryId)}`,
    ];
    for (const path of paths) {
      expect((await get(path, {})).statusCode, path).toBe(401);
      expect((await get(path, { authorization: stranger })).statusCode, path).toBe(404);
      expect((await get(path)).statusCode, path).toBe(200);
    }
    expect((await get('/repositories', { authorization: stranger })).json().items).toEqual([]);
    expect((await get('/artifacts', { authorization: stranger })).json().items).toEqual([]);
  });

  it('refuses unknown parameters and values with 400, and ids of another kind with 404', async () => {
    const id = idOf('art', image.id);
    const status = async (path: string) => (await get(path)).statusCode;
    expect(await status('/artifacts?colour=red')).toBe(400);
    expect(await status('/artifacts?kind=picture')).toBe(400);
    expect(await status(`/artifacts/${id}/findings?severity=critical,awful`)).toBe(400);
    expect(await status(`/artifacts/${id}/verdict?wait=31`)).toBe(400);
    expect(await status(`/artifacts/${id}/evidence?wait=1`)).toBe(400);
    expect(await status('/repositories?after=nonsense')).toBe(400);
    expect(await status(`/artifacts/${idOf('rep', image.id)}`)).toBe(404);
    expect(await status(`/artifacts/${idOf('art', image.repositoryId)}`)).toBe(404);
  });

  it('pages lists by cursor and names the next page in Link', async () => {
    for (const name of ['a', 'b', 'c']) {
      await seedArtifact(api.database.source, { projectId, repository: `team/app/${name}` });
    }
    const first = await get('/repositories?project=team/app&limit=3');
    const { items, page } = first.json();
    expect(items.map((each: { name: string }) => each.name)).toEqual([
      'team/app/a',
      'team/app/b',
      'team/app/c',
    ]);
    expect(first.headers.link).toContain(`after=${page.next}`);
    const second = (await get(`/repositories?project=team/app&limit=3&after=${page.next}`)).json();
    expect(second.items.map((each: { name: string }) => each.name)).toEqual(['team/app/web']);
    expect(second.page.next).toBeNull();
  });

  it('filters and pages findings, worst first, and says what the scan was', async () => {
    const path = `/artifacts/${idOf('art', image.id)}/findings`;
    const all = (await get(path)).json();
    expect(all.items.map((each: Finding) => each.severity)).toEqual(['critical', 'high', 'low']);
    expect(all).toMatchObject({ total: 3, scans: [{ digest: image.digest, state: 'findings' }] });
    const some = (await get(`${path}?severity=critical,high&fixable=true`)).json();
    expect(some.items).toHaveLength(1);
    const first = (await get(`${path}?limit=2`)).json();
    const second = (await get(`${path}?limit=2&after=${first.page.next}`)).json();
    expect([...first.items, ...second.items]).toEqual(all.items);
    expect(second.page.next).toBeNull();
  });

  it('shows the findings of every image of an index, and which of them nobody scanned', async () => {
    const seed = { projectId, repository: 'team/app/multi' };
    const attestation = await seedArtifact(api.database.source, { ...seed, kind: 'attestation' });
    const index = await seedArtifact(api.database.source, {
      ...seed,
      kind: 'index',
      children: [
        {
          digest: image.digest,
          manifestId: image.id,
          platform: { os: 'linux', architecture: 'amd64' },
        },
        { digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'linux', architecture: 'arm64' } },
        { digest: attestation.digest, manifestId: attestation.id },
      ],
    });
    const found = (await get(`/artifacts/${idOf('art', index.id)}/findings`)).json();
    expect(found.total).toBe(3);
    expect(found.items[0].image).toEqual({ digest: image.digest, platform: 'linux/amd64' });
    expect(found.scans.map((each: { state: string | null }) => each.state)).toEqual(['findings', null]);
    const verdict = (await get(`/artifacts/${idOf('art', index.id)}/verdict`)).json();
    expect(verdict.children[0]).toMatchObject({ platform: 'linux/amd64', verdict: { state: 'red' } });
    expect(verdict.children[1].verdict).toBeNull();
  });

  it('shows evidence with counts instead of every finding', async () => {
    const { items } = (await get(`/artifacts/${idOf('art', image.id)}/evidence`)).json();
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      kind: 'scan',
      digest: image.digest,
      content: { state: 'findings', findings: { critical: 1, high: 1, low: 1, unknown: 0 } },
    });
  });

  it('says why there is no SBOM: not an image, an index, not scanned, or how the scan ended', async () => {
    const why = async (artifact: SeededArtifact) => {
      const response = await get(`/artifacts/${idOf('art', artifact.id)}/sbom`);
      expect([response.statusCode, response.json().code]).toEqual([404, 'sbom-missing']);
      return response.json().detail;
    };
    const seed = { projectId, repository: 'team/app/bare' };
    const { source } = api.database;
    expect(await why(await seedArtifact(source, { ...seed, kind: 'signature' }))).toContain(
      'of kind signature',
    );
    const bare = await seedArtifact(source, seed);
    expect(await why(bare)).toContain('not been scanned yet');
    const index = { ...seed, kind: 'index', children: [{ digest: bare.digest, manifestId: bare.id }] };
    expect(await why(await seedArtifact(source, index))).toContain(bare.digest);
    const failed = scan([], { state: 'error', reasons: ['layer 1 cannot be read'] });
    await seedEvidence(source, { digest: bare.digest, repositoryId: null }, failed);
    expect(await why(bare)).toContain('the scan ended with "error"; layer 1 cannot be read');
  });

  it('explains a verdict as JSON, and in words to whoever asks for text', async () => {
    const path = `/verdicts/${idOf('ver', image.verdictId)}`;
    const json = await get(path);
    expect(json.json()).toMatchObject({
      state: 'red',
      url: `http://sluice.test/api/v1${path}`,
      artifact: { repository: 'team/app/web', digest: image.digest },
      results: [{ rule: 'no-fixable-critical', evidence: ['evd_0192a000000070008000000000000001'] }],
    });
    for (const accept of ['text/plain', 'text/html,application/xhtml+xml,*/*;q=0.8']) {
      const text = await get(path, { authorization: admin, accept });
      expect(text.headers['content-type']).toMatch(/^text\/plain/);
      expect(text.body).toContain('RED  team/app/web@sha256:');
      expect(text.body).toContain('to fix:   a developer of team/app: update x to 2');
    }
    const hyphenated = await get(`/verdicts/ver_${image.verdictId}`);
    expect(hyphenated.statusCode).toBe(200);
  });

  it('challenges a browser that opens the URL of a verdict without credentials', async () => {
    const response = await get(`/verdicts/${idOf('ver', image.verdictId)}`, { accept: 'text/html' });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toContain('Basic');
  });

  it('holds a request for a pending verdict until it is there', async () => {
    const { source } = api.database;
    const pending = await seedArtifact(source, { projectId, repository: 'team/app/slow' });
    const startedAt = Date.now();
    const answer = get(`/artifacts/${idOf('art', pending.id)}/verdict?wait=20`);
    setTimeout(() => void verdicts().evaluateArtifact(pending.id), 150);
    expect((await answer).json().state).toBe('green');
    expect(Date.now() - startedAt).toBeLessThan(5000);
  });

  it('holds a request for a verdict of which the inputs have changed until it is judged again', async () => {
    const { source } = api.database;
    const stale = await seedArtifact(source, {
      projectId,
      repository: 'team/app/stale',
      verdict: { state: 'red', summary: 'signature: not signed' },
    });
    const path = `/artifacts/${idOf('art', stale.id)}/verdict`;
    expect((await get(path)).json().state).toBe('red');
    const answer = get(`${path}?wait=20`);
    setTimeout(() => void verdicts().evaluateArtifact(stale.id), 150);
    expect((await answer).json().state).toBe('green');
    const startedAt = Date.now();
    expect((await get(`${path}?wait=20`)).json().state).toBe('green');
    expect(Date.now() - startedAt).toBeLessThan(2000);
  });

  it('answers with the pending verdict when the wait is over', async () => {
    const pending = await seedArtifact(api.database.source, { projectId, repository: 'team/app/slow' });
    const response = await get(`/artifacts/${idOf('art', pending.id)}/verdict?wait=0.2`);
    expect(response.json().state).toBe('pending');
  });
});
