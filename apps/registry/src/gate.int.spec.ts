import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, OCI_INDEX, OCI_MANIFEST, TestClient } from './testing/test-client.ts';
import { PUBLIC_URL, TestRegistry } from './testing/test-registry.ts';

const REPOSITORY = 'team/app/web';

describe('the gate', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  let reader: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'developer' });
    await registry.createUser('reader', { 'team/app': 'reporter' });
    dev = new TestClient(registry, 'dev');
    reader = new TestClient(registry, 'reader');
  });
  afterAll(async () => registry.close());

  /** Everything by which the content of an image can be had. */
  const ways = (
    image: { digest: string; layer: { digest: string }; config: { digest: string } },
    tag: string,
  ): string[] => [
    `/v2/${REPOSITORY}/manifests/${tag}`,
    `/v2/${REPOSITORY}/manifests/${image.digest}`,
    `/v2/${REPOSITORY}/blobs/${image.layer.digest}`,
    `/v2/${REPOSITORY}/blobs/${image.config.digest}`,
  ];

  it('lets out what is green, by HEAD and GET, tag and digest, manifest and blob', async () => {
    const image = await dev.pushImage(REPOSITORY, 'green');
    await registry.judge(REPOSITORY, image.digest, 'green', null);
    for (const path of ways(image, 'green')) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await reader.request(method, path);
        expect([path, answer.status]).toEqual([path, 200]);
        expect(answer.headers.get('warning')).toBeNull();
      }
    }
  });

  it('refuses what is red with DENIED, the rule, the reason and the URL of the verdict at the end', async () => {
    const image = await dev.pushImage(REPOSITORY, 'red');
    const verdict = await registry.judge(
      REPOSITORY,
      image.digest,
      'red',
      'vulnerabilities: CVE-2024-1 in openssl 3.0',
    );
    const url = `${PUBLIC_URL}/api/v1/verdicts/ver_${verdict.replaceAll('-', '')}`;
    const before = registry.denials.length;
    for (const path of ways(image, 'red')) {
      const get = await reader.request('GET', path, { headers: { 'user-agent': 'containerd/2' } });
      expect([get.status, get.error?.code]).toEqual([403, 'DENIED']);
      expect(get.error?.message).toBe(`vulnerabilities: CVE-2024-1 in openssl 3.0 ${url}`);
      expect((await reader.request('HEAD', path)).status).toBe(403);
      const ranged = await reader.request('GET', path, {
        headers: { range: 'bytes=0-1', 'if-none-match': '*' },
      });
      expect(ranged.status).toBe(403);
    }
    const denials = registry.denials.slice(before);
    expect(denials).toHaveLength(12);
    expect(denials[0]).toMatchObject({
      principalName: 'reader',
      repository: REPOSITORY,
      reference: 'red',
      digest: image.digest,
      rule: 'vulnerabilities',
      reason: 'vulnerabilities: CVE-2024-1 in openssl 3.0',
      verdictId: verdict,
      clientAddress: '127.0.0.1',
      userAgent: 'containerd/2',
    });
  });

  it('refuses the pusher of red content like anybody, but tells a client that is pushing what is there', async () => {
    const image = await dev.pushImage(REPOSITORY, 'red-own');
    await registry.judge(REPOSITORY, image.digest, 'red', 'scan: not scanned');
    const [tag = '', byDigest = '', layer = ''] = ways(image, 'red-own');
    for (const path of [tag, byDigest, layer]) expect((await dev.request('GET', path)).status).toBe(403);
    expect((await dev.request('HEAD', tag)).status).toBe(403);
    expect((await dev.request('HEAD', layer)).status, 'a shared layer need not be pushed again').toBe(200);
    const pushing = await dev.withToken(`repository:${REPOSITORY}:pull,push`);
    expect((await pushing.request('HEAD', tag)).status, 'containerd asks before it moves a tag').toBe(200);
    expect((await pushing.request('GET', tag)).status).toBe(403);
    expect((await pushing.request('GET', layer)).status).toBe(403);
    expect((await dev.pushImage(REPOSITORY, 'red-own')).digest, 'the fixed image replaces it').toBeTruthy();
  });

  it('warns of what is amber, in the one form that clients show', async () => {
    const image = await dev.pushImage(REPOSITORY, 'amber');
    await registry.judge(
      REPOSITORY,
      image.digest,
      'amber',
      'scan: no "advisory" data\nwas ever loaded – load it',
    );
    for (const path of ways(image, 'amber')) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await reader.request(method, path);
        expect(answer.status).toBe(200);
        expect(answer.headers.get('warning')).toBe(
          '299 - "scan: no \\"advisory\\" data was ever loaded load it"',
        );
      }
    }
  });

  it('holds back what is pending with 429 and Retry-After, except its manifest from whoever may push', async () => {
    const image = await dev.pushImage(REPOSITORY, 'pending');
    for (const path of ways(image, 'pending')) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await reader.request(method, path);
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '10']);
        if (method === 'GET') expect(answer.error?.code).toBe('TOOMANYREQUESTS');
      }
    }
    const [tag = '', byDigest = '', layer = ''] = ways(image, 'pending');
    const pullOnly = await dev.withToken(`repository:${REPOSITORY}:pull`);
    for (const client of [dev, pullOnly]) {
      for (const path of [tag, byDigest]) {
        expect((await client.request('GET', path)).status, 'signing needs it').toBe(200);
        expect((await client.request('HEAD', path)).status).toBe(200);
      }
      expect((await client.request('GET', layer)).status, 'nobody gets a layer').toBe(429);
    }
  });

  it('does not gate tag lists and referrers', async () => {
    const image = await dev.pushImage(REPOSITORY, 'listed');
    await registry.judge(REPOSITORY, image.digest, 'red', 'scan: no');
    expect((await reader.request('GET', `/v2/${REPOSITORY}/tags/list`)).body.toString()).toContain('listed');
    expect((await reader.request('GET', `/v2/${REPOSITORY}/referrers/${image.digest}`)).status).toBe(200);
  });

  it('judges a shared layer by the best artifact of the repository that names it, and of no other repository', async () => {
    const red = await dev.pushImage('team/app/shared', 'red');
    await registry.judge('team/app/shared', red.digest, 'red', 'scan: no');
    const path = `/v2/team/app/shared/blobs/${red.layer.digest}`;
    expect((await reader.request('GET', path)).status).toBe(403);
    await dev.pushBlob('team/app/elsewhere', red.content);
    const elsewhere = await dev.pushImage('team/app/elsewhere', 'v1', { layers: [red.layer] });
    await registry.judge('team/app/elsewhere', elsewhere.digest, 'green', null);
    expect((await reader.request('GET', path)).status, 'green elsewhere').toBe(403);
    const green = await dev.pushImage('team/app/shared', 'green', { layers: [red.layer] });
    await registry.judge('team/app/shared', green.digest, 'green', null);
    expect((await reader.request('GET', path)).status).toBe(200);
    expect((await reader.request('GET', `/v2/team/app/shared/blobs/${red.config.digest}`)).status).toBe(403);
    await dev.request('DELETE', `/v2/team/app/shared/manifests/${green.digest}`);
  });

  it('lets no artifact that need not be scanned let out the layer of an image that it names', async () => {
    const red = await dev.pushImage('team/app/named', 'red');
    await registry.judge('team/app/named', red.digest, 'red', 'scan: no');
    const empty = await dev.pushBlob('team/app/named', '{}', 'application/vnd.oci.empty.v1+json');
    const document = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: 'application/x',
      config: empty,
      layers: [{ ...red.layer, mediaType: 'application/x' }],
    };
    expect((await dev.putManifest('team/app/named', 'beside', document)).status).toBe(201);
    await registry.judge('team/app/named', digestOf(JSON.stringify(document)), 'green', null);
    const path = `/v2/team/app/named/blobs/${red.layer.digest}`;
    for (const method of ['GET', 'HEAD']) expect((await reader.request(method, path)).status).toBe(403);
    expect((await reader.request('GET', `/v2/team/app/named/blobs/${empty.digest}`)).status).toBe(200);
  });

  it('judges an index and its children each by its own verdict', async () => {
    const child = await dev.pushImage(REPOSITORY, 'child');
    const document = {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ mediaType: OCI_MANIFEST, digest: child.digest, size: child.manifest.length }],
    };
    await dev.putManifest(REPOSITORY, 'multi', document, OCI_INDEX);
    await registry.judge(REPOSITORY, digestOf(JSON.stringify(document)), 'red', 'children: one is red');
    await registry.judge(REPOSITORY, child.digest, 'red', 'scan: no');
    expect((await reader.request('GET', `/v2/${REPOSITORY}/manifests/multi`)).status).toBe(403);
    expect((await reader.request('GET', `/v2/${REPOSITORY}/manifests/${child.digest}`)).status).toBe(403);
  });

  it('lets out a blob that no artifact names only where no policy would ask for a verdict', async () => {
    const loose = await dev.pushBlob(REPOSITORY, 'loose content');
    const path = `/v2/${REPOSITORY}/blobs/${loose.digest}`;
    expect((await reader.request('GET', path)).status).toBe(200);
    await registry.enforce();
    const denied = await reader.request('GET', path);
    expect([denied.status, denied.error?.code]).toEqual([403, 'DENIED']);
    expect((await reader.request('HEAD', path)).status).toBe(403);
    expect((await dev.request('GET', path)).status, 'also from its pusher').toBe(403);
    expect((await dev.request('HEAD', path)).status, 'who only asks whether to push it').toBe(200);
    const mount = `/v2/team/app/mounted/blobs/uploads/?mount=${loose.digest}&from=${REPOSITORY}`;
    expect((await dev.request('POST', mount)).status, 'a mount is no way around').toBe(202);
    for (const change of [
      `{"spec":{"mode":"off","rules":[{"mode":"enforce"}]}}`,
      `{"spec":{"mode":"audit","rules":[{}]}}`,
    ]) {
      await registry.database.source.query(`UPDATE policy SET document = $1`, [change]);
      expect((await reader.request('GET', path)).status).toBe(200);
    }
    await registry.database.source.query(`UPDATE policy SET document = $1`, [
      `{"spec":{"mode":"audit","rules":[{"mode":"enforce"}]}}`,
    ]);
    expect((await reader.request('GET', path)).status).toBe(403);
    await registry.database.source.query('DELETE FROM policy');
  });

  it('refuses an artifact without a verdict', async () => {
    const image = await dev.pushImage(REPOSITORY, 'none');
    await registry.database.source.query(
      `DELETE FROM verdict v USING manifest m WHERE m.id = v.manifest_id AND m.digest = $1`,
      [image.digest],
    );
    const answer = await reader.request('GET', `/v2/${REPOSITORY}/manifests/none`);
    expect([answer.status, answer.error?.code]).toEqual([403, 'DENIED']);
  });
});

describe('a pull of what is pending', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  let reader: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start({ holdMs: 1_500 });
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'developer' });
    await registry.createUser('reader', { 'team/app': 'reporter' });
    dev = new TestClient(registry, 'dev');
    reader = new TestClient(registry, 'reader');
  });
  afterAll(async () => registry.close());

  it.each([
    ['green', 200],
    ['red', 403],
    ['amber', 200],
  ] as const)('is answered as soon as the verdict is %s', async (state, status) => {
    const image = await dev.pushImage(REPOSITORY, state);
    const startedAt = performance.now();
    const waiting = [
      `/v2/${REPOSITORY}/manifests/${state}`,
      `/v2/${REPOSITORY}/manifests/${image.digest}`,
      `/v2/${REPOSITORY}/blobs/${image.layer.digest}`,
    ].map((path) => reader.request('GET', path));
    await sleep(200);
    await registry.judge(REPOSITORY, image.digest, state, state === 'green' ? null : 'scan: so');
    for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(status);
    expect(performance.now() - startedAt).toBeLessThan(1_400);
  });

  it('gets 429 when none comes in time', async () => {
    await dev.pushImage(REPOSITORY, 'late');
    const startedAt = performance.now();
    const answer = await reader.request('GET', `/v2/${REPOSITORY}/manifests/late`);
    expect(answer.status).toBe(429);
    expect(performance.now() - startedAt).toBeGreaterThan(1_400);
  });

  it('of those who have not signed in takes at most 200 places, so that others can wait, too', async () => {
    const patient = await TestRegistry.join(registry, { holdMs: 25_000 });
    try {
      await registry.createProject('open/app', 'public');
      await registry.createUser('admin', {}, true);
      await registry.createUser('visitor', { 'open/app': 'reporter' });
      const image = await new TestClient(registry, 'admin').pushImage('open/app', 'wanted');
      const token = await new TestClient(patient, null).withToken('repository:open/app:pull');
      const pull = (client: TestClient) => client.request('GET', '/v2/open/app/manifests/wanted');
      const waiting = Array.from({ length: 230 }, () => pull(token));
      let refused = 0;
      for (const answer of waiting) void answer.then(({ status }) => (refused += status === 429 ? 1 : 0));
      await expect.poll(() => refused, { timeout: 15_000 }).toBe(30);
      const visitor = pull(new TestClient(patient, 'visitor'));
      await sleep(500);
      await registry.judge('open/app', image.digest, 'green', null);
      expect((await visitor).status).toBe(200);
      const statuses = (await Promise.all(waiting)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(200);
    } finally {
      await patient.close();
    }
  });

  it('follows a tag that moves while it waits', async () => {
    const first = await dev.pushImage(REPOSITORY, 'moving');
    const waiting = reader.request('GET', `/v2/${REPOSITORY}/manifests/moving`);
    await sleep(100);
    const second = await dev.pushImage(REPOSITORY, 'moving');
    await registry.judge(REPOSITORY, second.digest, 'green', null);
    await registry.judge(REPOSITORY, first.digest, 'red', 'scan: no');
    const answer = await waiting;
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([200, second.digest]);
  });
});
