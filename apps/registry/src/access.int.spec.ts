import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlowPush } from './testing/slow-push.ts';
import { digestOf, TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

describe('who may use the data plane', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  let reader: TestClient;
  let stranger: TestClient;
  const nobody = (): TestClient => new TestClient(registry, null);
  let image: Awaited<ReturnType<TestClient['pushImage']>>;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'developer' });
    await registry.createUser('reader', { 'team/app': 'reporter' });
    await registry.createUser('stranger');
    dev = new TestClient(registry, 'dev');
    reader = new TestClient(registry, 'reader');
    stranger = new TestClient(registry, 'stranger');
    image = await dev.pushImage('team/app/web', 'v1');
    await registry.judge('team/app/web', image.digest, 'green', null);
  });
  afterAll(async () => registry.close());

  const challengeOf = (answer: { headers: Headers }): string => answer.headers.get('www-authenticate') ?? '';
  const MANIFEST = '/v2/team/app/web/manifests/v1';

  it('nobody without credentials: /v2/ answers 401 with a Bearer challenge for the host that was asked', async () => {
    for (const path of ['/v2/', '/v2']) {
      const answer = await nobody().request('GET', path);
      expect([answer.status, answer.error?.code]).toEqual([401, 'UNAUTHORIZED']);
      expect(challengeOf(answer)).toBe(`Bearer realm="${registry.url}/service/token",service="sluice"`);
    }
    expect((await dev.request('GET', '/v2/')).status).toBe(200);
    expect((await (await dev.withToken()).request('GET', '/v2/')).status).toBe(200);
  });

  it.each([
    ['GET', MANIFEST, 'repository:team/app/web:pull'],
    ['HEAD', MANIFEST, 'repository:team/app/web:pull'],
    ['PUT', MANIFEST, 'repository:team/app/web:pull,push'],
    ['DELETE', MANIFEST, 'repository:team/app/web:delete'],
    ['POST', '/v2/team/app/web/blobs/uploads/', 'repository:team/app/web:pull,push'],
    [
      'POST',
      '/v2/team/app/web/blobs/uploads/?mount=x&from=a/b',
      'repository:team/app/web:pull,push repository:a/b:pull',
    ],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
  ])('%s %s without credentials asks for the scope %s', async (method, path, scope) => {
    const answer = await nobody().request(method, path);
    expect(answer.status).toBe(401);
    expect(challengeOf(answer)).toContain(`,scope="${scope}"`);
    expect(challengeOf(answer)).not.toContain('error=');
  });

  it('the realm has the scheme that a proxy of ours reports, and never a host that is no host', async () => {
    const proxied = await nobody().request('GET', '/v2/', { headers: { 'x-forwarded-proto': 'https' } });
    expect(challengeOf(proxied)).toContain(`realm="https://${registry.host}/service/token"`);
    const odd = await nobody().request('GET', '/v2/', { headers: { 'x-forwarded-proto': 'javascript' } });
    expect(challengeOf(odd)).toContain(`realm="${registry.url}/service/token"`);
  });

  it.each([
    ['a wrong password', basic('dev', 'wrong')],
    ['no such user', basic('nobody')],
    ['a token that is none', 'Bearer abc.def.ghi'],
    ['another scheme', 'Digest x'],
    ['no base64', 'Basic %%%'],
  ])('%s is 401 with a challenge', async (_, authorization) => {
    const answer = await new TestClient(registry, null, authorization).request('GET', MANIFEST);
    expect([answer.status, answer.error?.code]).toEqual([401, 'UNAUTHORIZED']);
    expect(challengeOf(answer)).toMatch(/^Bearer .*,error="invalid_token"$/);
  });

  it('a token that lacks the action is sent for another, whether or not the repository is there', async () => {
    const token = await reader.withToken('repository:team/app/web:pull,push');
    expect((await token.request('GET', MANIFEST)).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/v2/team/app/web/blobs/uploads/'],
      ['DELETE', MANIFEST],
      ['GET', '/v2/team/app/other/manifests/v1'],
      ['GET', '/v2/no/such/manifests/v1'],
    ] as const) {
      const answer = await token.request(method, path);
      expect([answer.status, answer.error?.code]).toEqual([401, 'UNAUTHORIZED']);
      expect(challengeOf(answer)).toMatch(/error="insufficient_scope"$/);
    }
  });

  it('a token reaches no further than its scopes, whatever its holder may do', async () => {
    const token = await dev.withToken('repository:team/app/web:pull');
    expect((await token.request('POST', '/v2/team/app/web/blobs/uploads/')).status).toBe(401);
  });

  it('what a caller may not see answers like what is not there', async () => {
    const unknown = digestOf('x');
    for (const [method, existing, missing] of [
      ['GET', MANIFEST, '/v2/no/such/manifests/v1'],
      ['HEAD', MANIFEST, '/v2/no/such/manifests/v1'],
      ['GET', `/v2/team/app/web/blobs/${image.layer.digest}`, `/v2/no/such/blobs/${unknown}`],
      ['GET', '/v2/team/app/web/tags/list', '/v2/no/such/tags/list'],
      ['GET', `/v2/team/app/web/referrers/${image.digest}`, `/v2/no/such/referrers/${unknown}`],
      ['POST', '/v2/team/app/web/blobs/uploads/', '/v2/no/such/blobs/uploads/'],
      ['DELETE', MANIFEST, '/v2/no/such/manifests/v1'],
    ] as const) {
      const hidden = await stranger.request(method, existing);
      const absent = await stranger.request(method, missing);
      expect([hidden.status, hidden.error?.code]).toEqual([
        404,
        method === 'HEAD' ? undefined : 'NAME_UNKNOWN',
      ]);
      expect(hidden.status).toBe(absent.status);
      expect(hidden.error?.message.replace('team/app/web', 'no/such')).toBe(absent.error?.message);
    }
  });

  it('who may see but not do is told so', async () => {
    for (const [method, path] of [
      ['POST', '/v2/team/app/web/blobs/uploads/'],
      ['PUT', MANIFEST],
      ['DELETE', MANIFEST],
    ] as const) {
      const answer = await reader.request(method, path);
      expect([answer.status, answer.error?.code]).toEqual([403, 'DENIED']);
    }
  });

  it('a public project can be pulled with the token of nobody, and a private one cannot', async () => {
    await registry.createProject('open/app', 'public');
    await registry.createUser('owner', { 'open/app': 'developer' });
    const open = await new TestClient(registry, 'owner').pushImage('open/app/x', 'v1');
    await registry.judge('open/app/x', open.digest, 'green', null);
    const token = await nobody().withToken('repository:open/app/x:pull', 'repository:team/app/web:pull');
    expect((await token.request('GET', '/v2/open/app/x/manifests/v1')).status).toBe(200);
    expect((await token.request('GET', `/v2/open/app/x/blobs/${open.layer.digest}`)).status).toBe(200);
    expect((await token.request('GET', MANIFEST)).status).toBe(401);
    expect((await token.request('POST', '/v2/open/app/x/blobs/uploads/')).status).toBe(401);
  });

  it('a token that is good for the visibility of a project alone ends with it: on reads and lists', async () => {
    const projectId = await registry.createProject('shown/app', 'public');
    const show = async (visibility: string): Promise<void> => {
      await registry.database.source.query('UPDATE node SET visibility = $2 WHERE id = $1', [
        projectId,
        visibility,
      ]);
      await registry.settle();
    };
    await registry.createUser('shower', { 'shown/app': 'developer' });
    const shower = new TestClient(registry, 'shower');
    const shown = await shower.pushImage('shown/app/x', 'v1');
    await registry.judge('shown/app/x', shown.digest, 'green', null);
    const scope = 'repository:shown/app/x:pull';
    const [anybody, signedIn, member] = await Promise.all([
      nobody().withToken(scope),
      reader.withToken(scope),
      shower.withToken(scope),
    ]);
    const paths = [
      'manifests/v1',
      `manifests/${shown.digest}`,
      `blobs/${shown.layer.digest}`,
      'tags/list',
      `referrers/${shown.digest}`,
    ];
    const statusesOf = (client: TestClient): Promise<number[]> =>
      Promise.all(paths.map(async (path) => (await client.request('GET', `/v2/shown/app/x/${path}`)).status));
    // Twice, so that the second answers come from memory.
    for (let turn = 0; turn < 2; turn += 1) {
      for (const client of [anybody, signedIn, member]) {
        expect(await statusesOf(client)).toEqual(paths.map(() => 200));
      }
    }
    await show('internal');
    expect(await statusesOf(anybody)).toEqual(paths.map(() => 401));
    expect(await statusesOf(signedIn)).toEqual(paths.map(() => 200));
    await show('private');
    expect(await statusesOf(member), 'who has a role').toEqual(paths.map(() => 200));
    expect(await statusesOf(signedIn)).toEqual(paths.map(() => 401));
    expect(challengeOf(await signedIn.request('GET', '/v2/shown/app/x/manifests/v1'))).toMatch(
      /error="invalid_token"/,
    );
    await show('public');
    expect(await statusesOf(anybody)).toEqual(paths.map(() => 200));
  });

  it('a token ends at once when its principal loses rights: on reads, writes and lists', async () => {
    const id = await registry.createUser('leaver', { 'team/app': 'developer' });
    const leaver = new TestClient(registry, 'leaver');
    const token = await leaver.withToken('repository:team/app/web:pull,push');
    const location = await token.begin('team/app/web');
    const requests: readonly (readonly [string, string])[] = [
      ['GET', MANIFEST],
      ['HEAD', MANIFEST],
      ['GET', '/v2/team/app/web/manifests/none'],
      ['GET', `/v2/team/app/web/blobs/${image.layer.digest}`],
      ['HEAD', `/v2/team/app/web/blobs/${image.layer.digest}`],
      ['GET', '/v2/team/app/web/tags/list'],
      ['GET', `/v2/team/app/web/referrers/${image.digest}`],
      ['POST', '/v2/team/app/web/blobs/uploads/'],
      ['GET', location],
      ['GET', '/v2/'],
      ['GET', '/v2/_catalog'],
    ];
    expect((await token.request('GET', MANIFEST)).status).toBe(200);
    await registry.database.source.query('UPDATE principal SET epoch = epoch + 1 WHERE id = $1', [id]);
    await registry.settle();
    for (const [method, path] of requests) {
      const answer = await token.request(method, path);
      expect([method, path, answer.status]).toEqual([method, path, 401]);
      expect(challengeOf(answer)).toContain('error="invalid_token"');
    }
    const again = await leaver.withToken('repository:team/app/web:pull');
    expect((await again.request('GET', MANIFEST)).status).toBe(200);
    await registry.database.source.query('UPDATE principal SET disabled_at = now() WHERE id = $1', [id]);
    await registry.settle();
    expect((await again.request('GET', MANIFEST)).status, 'disabled, whatever the epoch').toBe(401);
  });

  it.each([
    ['right', 'epoch = epoch + 1'],
    ['holder', 'disabled_at = now()'],
  ])('a push that began before its %s was lost ends with 401 and stores nothing', async (what, change) => {
    const name = `loses-${what}`;
    const id = await registry.createUser(name, { 'team/app': 'developer' });
    const pusher = new TestClient(registry, name);
    const token = await pusher.withToken('repository:team/app/web:pull,push');
    const content = randomBytes(100);
    const blob = `/v2/team/app/web/blobs/uploads/?digest=${digestOf(content)}`;
    const location = await token.begin('team/app/web');
    const pushes = await Promise.all(
      [pusher, token].flatMap((client) => [
        SlowPush.begin(client, `PUT /v2/team/app/web/manifests/${name}`, image.manifest),
        SlowPush.begin(client, `POST ${blob}`, content),
      ]),
    );
    const chunk = await SlowPush.begin(token, `PATCH ${location}`, content);
    // All of them have been let in by now.
    await sleep(300);
    await registry.database.source.query(`UPDATE principal SET ${change} WHERE id = $1`, [id]);
    await registry.settle();
    for (const push of pushes)
      expect(await push.end()).toMatch(/^HTTP\/1\.1 401 [^]*rights [^]* have changed/);
    expect((await dev.request('HEAD', `/v2/team/app/web/manifests/${name}`)).status).toBe(404);
    expect((await dev.request('HEAD', `/v2/team/app/web/blobs/${digestOf(content)}`)).status).toBe(404);
    expect(await chunk.end(), 'of an upload that goes on').toMatch(/^HTTP\/1\.1 202 /);
    expect((await token.request('PUT', `${location}?digest=${digestOf(content)}`)).status).toBe(401);
  });

  it('the limits of a secret hold for the tokens that it gets: pending manifests and the catalog', async () => {
    const id = await registry.createUser('limited', { 'team/app': 'developer' });
    const pending = await dev.pushImage('team/app/held', 'v1');
    const path = `/v2/team/app/held/manifests/${pending.digest}`;
    const catalogOf = async (client: TestClient) =>
      JSON.parse((await client.request('GET', '/v2/_catalog')).body.toString()) as { repositories: string[] };
    for (const [scopes, status, names] of [
      [['repository:team/app/held:pull'], 429, ['team/app/held']],
      [['repository:team/app/held:pull', 'repository:team/app/web:pull,push'], 429, null],
      [['repository:team/app/held:pull,push'], 200, ['team/app/held']],
      [['repository:team/app/*:*'], 200, null],
      [['repository:other/*:*'], 401, []],
    ] as const) {
      const secret = await registry.createToken(id, scopes);
      const holder = new TestClient(registry, null, basic('limited', secret));
      const token = await holder.withToken('repository:team/app/held:pull');
      expect([scopes, (await token.request('GET', path)).status]).toEqual([scopes, status]);
      expect((await holder.request('GET', path)).status).toBe(status === 401 ? 404 : status);
      for (const client of [holder, token, await holder.withToken('registry:catalog:*')]) {
        const { repositories } = await catalogOf(client);
        expect(repositories).toEqual(names ?? expect.arrayContaining(['team/app/held', 'team/app/web']));
      }
    }
  });

  it('no page of the catalog ends with a repository that the secret does not reach', async () => {
    const id = await registry.createUser('narrow', { 'team/app': 'developer' });
    for (const name of ['aaa', 'bbb', 'zzz']) await dev.pushImage(`team/app/${name}`, 'v1');
    const secret = await registry.createToken(id, [
      'repository:team/app/bbb:pull',
      'repository:team/app/zzz:pull',
    ]);
    const holder = new TestClient(registry, null, basic('narrow', secret));
    for (const client of [holder, await holder.withToken('registry:catalog:*')]) {
      const first = await client.request('GET', '/v2/_catalog?n=1');
      expect(JSON.parse(first.body.toString())).toEqual({ repositories: ['team/app/bbb'] });
      expect(first.headers.get('link')).toContain('last=team%2Fapp%2Fbbb');
      const last = await client.request('GET', '/v2/_catalog?n=1&last=team/app/bbb');
      expect(JSON.parse(last.body.toString())).toEqual({ repositories: ['team/app/zzz'] });
      expect(last.headers.get('link')).toBeNull();
    }
  });

  it('an upload belongs to whoever may push to its repository', async () => {
    const location = await dev.begin('team/app/web');
    for (const [client, status] of [
      [reader, 403],
      [stranger, 404],
      [nobody(), 401],
    ] as const) {
      expect((await client.request('GET', location)).status).toBe(status);
      expect((await client.request('PATCH', location, { body: 'x' })).status).toBe(status);
      expect((await client.request('DELETE', location)).status).toBe(status);
    }
  });
});
