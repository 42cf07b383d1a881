import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, rawExchange, TestClient } from './testing/test-client.ts';
import { TestRegistry } from './testing/test-registry.ts';

describe('pulling', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  const content = randomBytes(2_048);
  const digest = digestOf(content);
  const url = `/v2/team/app/web/blobs/${digest}`;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'maintainer' });
    dev = new TestClient(registry, 'dev');
    await dev.pushBlob('team/app/web', content);
  });
  afterAll(async () => registry.close());

  it('a blob gives its bytes, length and digest; HEAD the same without the bytes', async () => {
    const get = await dev.request('GET', url);
    const head = await dev.request('HEAD', url);
    expect(get.body.equals(content)).toBe(true);
    expect(head.body.length).toBe(0);
    for (const answer of [get, head]) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe('2048');
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
      expect(answer.headers.get('docker-content-digest')).toBe(digest);
      expect(answer.headers.get('accept-ranges')).toBe('bytes');
      expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    }
    const unchanged = await dev.request('GET', url, { headers: { 'if-none-match': `"${digest}"` } });
    expect([unchanged.status, unchanged.body.length]).toEqual([304, 0]);
  });

  it.each([
    ['bytes=500-1499', 500, 1499],
    ['bytes=500-', 500, 2047],
    ['bytes=-500', 1548, 2047],
    ['bytes=2000-5000', 2000, 2047],
    ['bytes=0-0', 0, 0],
  ])('%s gives that part with 206', async (range, first, last) => {
    const answer = await dev.request('GET', url, { headers: { range } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/2048`);
    expect(answer.headers.get('content-length')).toBe(String(last - first + 1));
    expect(answer.body.equals(content.subarray(first, last + 1))).toBe(true);
  });

  it.each(['bytes=500-0', 'bytes=5000-10000', 'bytes=-0'])('%s is refused with 416', async (range) => {
    const answer = await dev.request('GET', url, { headers: { range } });
    expect([answer.status, answer.headers.get('content-range'), answer.error?.code]).toEqual([
      416,
      'bytes */2048',
      'RANGE_INVALID',
    ]);
  });

  it.each(['bytes=x', 'lines=1-2', 'bytes=', 'bytes=1-2-3'])(
    '%s is ignored, as RFC 9110 wants',
    async (range) => {
      const answer = await dev.request('GET', url, { headers: { range } });
      expect([answer.status, answer.body.length]).toEqual([200, 2048]);
    },
  );

  it('several ranges come as multipart/byteranges', async () => {
    const answer = await dev.request('GET', url, { headers: { range: 'bytes=0-9,100-109,-5,9999-' } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-length')).toBe(String(answer.body.length));
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(
      answer.headers.get('content-type') ?? '',
    )?.[1];
    const parts = answer.body.toString('latin1').split(`\r\n--${boundary}`);
    expect(parts.shift()).toBe('');
    expect(parts.pop()).toBe('--\r\n');
    const read = parts.map((part) => {
      const [head = '', ...body] = part.split('\r\n\r\n');
      return [/Content-Range: (.*)/.exec(head)?.[1], Buffer.from(body.join('\r\n\r\n'), 'latin1')] as const;
    });
    expect(read).toEqual([
      ['bytes 0-9/2048', content.subarray(0, 10)],
      ['bytes 100-109/2048', content.subarray(100, 110)],
      ['bytes 2043-2047/2048', content.subarray(2043)],
    ]);
  });

  it('what is not there is BLOB_UNKNOWN; a digest that is none is DIGEST_INVALID', async () => {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const missing = await dev.request(method, `/v2/team/app/web/blobs/${digestOf('nothing')}`);
      expect([missing.status, missing.error?.code ?? 'BLOB_UNKNOWN']).toEqual([404, 'BLOB_UNKNOWN']);
      const bad = await dev.request(method, '/v2/team/app/web/blobs/sha256:bad');
      expect([bad.status, bad.error?.code ?? 'DIGEST_INVALID']).toEqual([400, 'DIGEST_INVALID']);
    }
  });

  it('a blob is readable only through a repository that links it', async () => {
    await dev.pushBlob('team/app/other', 'something else');
    expect((await dev.request('GET', `/v2/team/app/other/blobs/${digest}`)).status).toBe(404);
  });

  it('says 503 and not 404 when the storage has lost the bytes of a blob, until they are pushed again', async () => {
    const content = randomBytes(10);
    const lost = await dev.pushBlob('team/app/web', content);
    const [row] = await registry.database.source.query<{ object_key: string }[]>(
      'SELECT object_key FROM blob WHERE digest = $1',
      [lost.digest],
    );
    await rm(join(registry.storageDirectory, 'blobs', 'blobs', row?.object_key ?? ''));
    const answer = await dev.request('GET', `/v2/team/app/web/blobs/${lost.digest}`);
    expect([answer.status, answer.error?.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'UNAVAILABLE',
      '10',
    ]);
    const head = await dev.request('HEAD', `/v2/team/app/web/blobs/${lost.digest}`);
    expect(head.status, 'so that clients push it').toBe(404);
    await dev.pushBlob('team/app/web', content);
    const again = await dev.request('GET', `/v2/team/app/web/blobs/${lost.digest}`);
    expect([again.status, again.body.equals(content)]).toEqual([200, true]);
    const sessions = await registry.database.source.query(
      'SELECT 1 FROM upload_session WHERE expires_at <= now()',
    );
    expect(sessions, 'nothing is left for the sweep').toEqual([]);
  });

  it('answers every method that an endpoint does not have with UNSUPPORTED, naming those it has', async () => {
    for (const [method, path] of [
      ['POST', url],
      ['PATCH', '/v2/team/app/web/manifests/x'],
      ['DELETE', '/v2/team/app/web/tags/list'],
      ['PUT', '/v2/'],
    ] as const) {
      const answer = await dev.request(method, path);
      expect([answer.status, answer.error?.code]).toEqual([405, 'UNSUPPORTED']);
      expect(answer.error?.message).toContain('GET');
    }
  });

  it.each(['/v2/x', '/v2/team/app/web', '/v2/team/app/web/blobs', '/v2/team/app/web/unknown/x', '/v2//'])(
    'answers the path %s in the form of the specification',
    async (path) => {
      const answer = await dev.request('GET', path);
      expect([400, 404]).toContain(answer.status);
      expect(answer.error?.code).toMatch(/^NAME_/);
    },
  );

  it('answers an escape that is none in the form of the specification', async () => {
    const answer = await rawExchange(
      registry,
      'GET /v2/%ZZ/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('{"errors":[{"code":"NAME_INVALID"');
  });

  it.each([
    'GET /v2/%ZZ/manifests/x HTTP/1.1\r\nHost: x\r\n',
    'GET /v2/a/manifests/%00 HTTP/1.1\r\nHost: x\r\n',
    'GET /v2/a/manifests/x?n=%ZZ HTTP/1.1\r\nHost: "><script>\r\n',
    'GET /v2/a/blobs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Nonsense\r\n',
    'GET /v2/a/blobs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \u0001\r\n',
    'GET /v2/a/blobs/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!!\r\n',
    `GET /v2/a/blobs/x HTTP/1.1\r\nHost: x\r\nRange: bytes=${'0-1,'.repeat(3_000)}\r\n`,
    `GET /v2/${'a/'.repeat(7_000)}manifests/x HTTP/1.1\r\nHost: x\r\n`,
    'BREW /v2/ HTTP/1.1\r\nHost: x\r\n',
  ])('answers the request %j with a clear refusal', async (request) => {
    const answer = await rawExchange(registry, `${request}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });
});

describe('lists', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    await registry.createProject('team/app');
    await registry.createProject('team/secret');
    await registry.createProject('open/app', 'public');
    await registry.createUser('dev', { 'team/app': 'developer' });
    await registry.createUser('admin', {}, true);
    dev = new TestClient(registry, 'dev');
    const { manifest } = await dev.pushImage('team/app/web', 'Zebra');
    for (const tag of ['a', 'B', '_x', '10', '9', 'b']) {
      await dev.putManifest('team/app/web', tag, JSON.parse(manifest) as object);
    }
  });
  afterAll(async () => registry.close());

  const tags = async (query = '') => {
    const answer = await dev.request('GET', `/v2/team/app/web/tags/list${query}`);
    const next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    const body = JSON.parse(answer.body.toString()) as { name: string; tags: string[] };
    return { ...answer, ...body, next };
  };

  it('tags come in byte order', async () => {
    expect(await tags()).toMatchObject({
      name: 'team/app/web',
      tags: ['10', '9', 'B', 'Zebra', '_x', 'a', 'b'],
      next: undefined,
    });
  });

  it('n limits and links on, last begins behind it whether or not it exists, n=0 is an empty list without link', async () => {
    const first = await tags('?n=3');
    expect(first.tags).toEqual(['10', '9', 'B']);
    const second = await dev.request('GET', first.next ?? '');
    expect(JSON.parse(second.body.toString())).toMatchObject({ tags: ['Zebra', '_x', 'a'] });
    expect(await tags('?n=7')).toMatchObject({ next: undefined });
    expect((await tags('?last=Zz')).tags).toEqual(['_x', 'a', 'b']);
    expect(await tags('?n=0')).toMatchObject({ tags: [], next: undefined });
  });

  it.each(['-1', 'x', '1.5', '99999999999'])('n=%s is PAGINATION_NUMBER_INVALID', async (n) => {
    const answer = await dev.request('GET', `/v2/team/app/web/tags/list?n=${n}`);
    expect([answer.status, answer.error?.code]).toEqual([400, 'PAGINATION_NUMBER_INVALID']);
  });

  it('of a repository that is not there are NAME_UNKNOWN', async () => {
    const answer = await dev.request('GET', '/v2/team/app/none/tags/list');
    expect([answer.status, answer.error?.code]).toEqual([404, 'NAME_UNKNOWN']);
  });

  it('of repositories hold what the caller may pull, in pages, and nothing that is empty', async () => {
    const admin = new TestClient(registry, 'admin');
    await admin.pushImage('team/secret/x', 'v1');
    await admin.pushImage('open/app/y', 'v1');
    await admin.pushImage('team/app/api', 'v1');
    await dev.begin('team/app/empty');
    const catalog = async (client: TestClient, query = ''): Promise<string[]> =>
      (
        JSON.parse((await client.request('GET', `/v2/_catalog${query}`)).body.toString()) as {
          repositories: string[];
        }
      ).repositories;
    expect(await catalog(dev)).toEqual(['open/app/y', 'team/app/api', 'team/app/web']);
    expect(await catalog(admin)).toEqual(['open/app/y', 'team/app/api', 'team/app/web', 'team/secret/x']);
    expect(await catalog(dev, '?n=1')).toEqual(['open/app/y']);
    expect(await catalog(dev, '?n=2&last=open/app/y')).toEqual(['team/app/api', 'team/app/web']);
    expect(await catalog(await dev.withToken('registry:catalog:*'))).toContain('team/app/web');
  });
});
