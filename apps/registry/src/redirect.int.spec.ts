import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, TestClient } from './testing/test-client.ts';
import { TestRegistry } from './testing/test-registry.ts';

describe('a project whose blobs are redirected to the object store', () => {
  const content = randomBytes(2_048);
  const digest = digestOf(content);
  const signed: { key: string; seconds: number }[] = [];
  let registry: TestRegistry;
  let dev: TestClient;

  async function redirect(path: string): Promise<void> {
    await registry.database.source.query(`UPDATE node SET blob_downloads = 'redirect' WHERE path = $1`, [
      path,
    ]);
  }
  const urlOf = (repository: string, of = digest): string => `/v2/${repository}/blobs/${of}`;

  beforeAll(async () => {
    registry = await TestRegistry.start({
      signedUrl: async (key, seconds) => {
        signed.push({ key, seconds });
        return `https://store.test/${key}?signature=1`;
      },
    });
    const projects = ['team/direct', 'team/proxied'];
    for (const path of projects) await registry.createProject(path);
    await registry.createUser('dev', Object.fromEntries(projects.map((path) => [path, 'maintainer'])));
    await registry.createUser('stranger');
    dev = new TestClient(registry, 'dev');
    for (const path of projects) await dev.pushBlob(path, content);
    await redirect('team/direct');
  });
  afterAll(async () => registry.close());

  it('answers GET with 307 to a URL that ends soon, and with the digest', async () => {
    const answer = await dev.request('GET', urlOf('team/direct'));
    expect([answer.status, answer.body.length]).toEqual([307, 0]);
    const { key, seconds } = signed.at(-1) ?? {};
    expect(answer.headers.get('location')).toBe(`https://store.test/${key}?signature=1`);
    expect(seconds).toBeLessThanOrEqual(300);
    expect(answer.headers.get('docker-content-digest')).toBe(digest);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('redirects the request for one range, which the client repeats there', async () => {
    const answer = await dev.request('GET', urlOf('team/direct'), { headers: { range: 'bytes=0-9' } });
    expect(answer.status).toBe(307);
  });

  it('answers itself what the store could not: HEAD, several ranges, 304, 416 and empty blobs', async () => {
    const head = await dev.request('HEAD', urlOf('team/direct'));
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '2048']);
    const statusOf = async (headers: Record<string, string>): Promise<number> =>
      (await dev.request('GET', urlOf('team/direct'), { headers })).status;
    expect(await statusOf({ range: 'bytes=0-9,20-29' })).toBe(206);
    expect(await statusOf({ 'if-none-match': `"${digest}"` })).toBe(304);
    expect(await statusOf({ range: 'bytes=9000-' })).toBe(416);
    const empty = Buffer.alloc(0);
    await dev.pushBlob('team/direct', empty);
    expect((await dev.request('GET', urlOf('team/direct', digestOf(empty)))).status).toBe(200);
  });

  it('gives no URL to who may not pull', async () => {
    const before = signed.length;
    const answer = await new TestClient(registry, 'stranger').request('GET', urlOf('team/direct'));
    expect(answer.status).toBeGreaterThanOrEqual(401);
    expect(answer.headers.get('location')).toBeNull();
    expect(signed).toHaveLength(before);
  });

  it('leaves the other projects as they are', async () => {
    const answer = await dev.request('GET', urlOf('team/proxied'));
    expect([answer.status, answer.body.equals(content)]).toEqual([200, true]);
  });

  it('serves the bytes itself where the storage has no URLs, as encrypted storage has none', async () => {
    const plain = await TestRegistry.join(registry);
    try {
      const answer = await new TestClient(plain, 'dev').request('GET', urlOf('team/direct'));
      expect([answer.status, answer.body.equals(content)]).toEqual([200, true]);
    } finally {
      await plain.close();
    }
  });

  it('gives no URL while the gate refuses', async () => {
    await registry.enforce();
    const before = signed.length;
    const answer = await dev.request('GET', urlOf('team/direct'));
    expect(answer.status).toBe(403);
    expect(signed).toHaveLength(before);
  });
});
