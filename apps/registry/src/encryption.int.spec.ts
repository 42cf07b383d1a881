import { randomBytes } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileKeys } from '@sluice/blob-storage/encrypted';
import { PostgresKeyDomains } from '@sluice/database/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, TestClient } from './testing/test-client.ts';
import { TestRegistry } from './testing/test-registry.ts';

const SECRETS = { k1: randomBytes(32), a1: randomBytes(32) };
const keys = (acme: 'active' | 'destroyed'): FileKeys =>
  FileKeys.of({
    keys: [
      { id: 'k1', domain: '', state: 'active', secret: SECRETS.k1 },
      { id: 'a1', domain: 'acme', state: acme, secret: acme === 'active' ? SECRETS.a1 : null },
    ],
  });

describe('a registry that encrypts its blobs', () => {
  let registry: TestRegistry;
  let replica: TestRegistry;
  let dev: TestClient;
  let devThere: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start({ storageKeys: keys('active') });
    for (const path of ['team/app', 'acme/app']) await registry.createProject(path);
    await registry.createUser('dev', { 'team/app': 'maintainer', 'acme/app': 'maintainer' });
    await new PostgresKeyDomains(registry.database.source).assign('acme', 'acme');
    replica = await TestRegistry.join(registry, { storageKeys: keys('active') });
    dev = new TestClient(registry, 'dev');
    devThere = new TestClient(replica, 'dev');
  });
  afterAll(async () => {
    await replica.close();
    await registry.close();
  });

  async function files(): Promise<Map<string, Buffer>> {
    const root = join(registry.storageDirectory, 'blobs');
    const names = (await readdir(root, { recursive: true })).filter((name) => name.split('/').length === 3);
    return new Map(
      await Promise.all(
        names.map(async (name) => [join(root, name), await readFile(join(root, name))] as const),
      ),
    );
  }
  /** What a push adds to the storage. */
  async function stored(push: () => Promise<unknown>): Promise<[string, Buffer][]> {
    const before = await files();
    await push();
    return [...(await files())].filter(([path]) => !before.has(path));
  }
  const get = (client: TestClient, repository: string, digest: string, range?: string) =>
    client.request(
      'GET',
      `/v2/${repository}/blobs/${digest}`,
      range === undefined ? {} : { headers: { range } },
    );

  it('keeps nothing plain on the disk, and serves size, ranges and content as if it did', async () => {
    const content = Buffer.from('a secret of the build \n'.repeat(20_000));
    const digest = digestOf(content);
    const [file, ...others] = await stored(() => dev.pushBlob('team/app/web', content));
    expect(others).toEqual([]);
    expect(file?.[1].includes('secret of the build')).toBe(false);
    const head = await dev.request('HEAD', `/v2/team/app/web/blobs/${digest}`);
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(content.length)]);
    for (const client of [dev, devThere]) {
      expect((await get(client, 'team/app/web', digest)).body.equals(content)).toBe(true);
      const part = await get(client, 'team/app/web', digest, 'bytes=65530-131080');
      expect(part.status).toBe(206);
      expect(part.body.equals(content.subarray(65_530, 131_081))).toBe(true);
      const end = await get(client, 'team/app/web', digest, 'bytes=-10');
      expect(end.body.equals(content.subarray(-10))).toBe(true);
    }
  });

  it('serves a long blob each of many times, and to several at once', async () => {
    const content = randomBytes(5_000_000);
    const { digest } = await dev.pushBlob('team/app/web', content);
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(
        [dev, devThere, dev].map((client) => get(client, 'team/app/web', digest)),
      );
      for (const { body } of answers) expect(body.equals(content)).toBe(true);
    }
  });

  it('goes on with an upload on another replica, chunk by chunk, and leaves nothing plain in its row', async () => {
    const content = Buffer.from('another secret \n'.repeat(30_000));
    let location = await dev.begin('team/app/web');
    const cuts = [0, 10, 65_536, 200_000, content.length];
    for (const [index, start] of cuts.slice(0, -1).entries()) {
      const client = index % 2 === 0 ? devThere : dev;
      const end = cuts[index + 1] ?? content.length;
      const answer = await client.request('PATCH', location, {
        body: content.subarray(start, end),
        headers: { 'content-range': `${start}-${end - 1}`, 'content-type': 'application/octet-stream' },
      });
      expect(answer.status, answer.body.toString()).toBe(202);
      location = answer.headers.get('location') ?? '';
      const rows = await registry.database.source.query<{ parts: unknown }[]>(
        'SELECT parts FROM upload_session',
      );
      const texts = [...JSON.stringify(rows).matchAll(/"([A-Za-z0-9+/=]{8,})"/g)];
      expect(texts.length).toBeGreaterThan(2);
      for (const [, text = ''] of texts) {
        expect(Buffer.from(text, 'base64').includes('another secret')).toBe(false);
      }
    }
    const digest = digestOf(content);
    expect((await devThere.request('PUT', `${location}?digest=${digest}`)).status).toBe(201);
    expect((await get(dev, 'team/app/web', digest)).body.equals(content)).toBe(true);
  });

  it('stores content of another key domain again, and content of the same one once', async () => {
    const content = randomBytes(1_000);
    expect(await stored(() => dev.pushBlob('team/app/web', content))).toHaveLength(1);
    expect(await stored(() => dev.pushBlob('team/app/other', content))).toHaveLength(0);
    expect(await stored(() => dev.pushBlob('acme/app/web', content))).toHaveLength(1);
    expect(await stored(() => dev.pushBlob('acme/app/other', content))).toHaveLength(0);
    for (const repository of ['team/app/web', 'acme/app/web']) {
      expect((await get(dev, repository, digestOf(content))).body.equals(content)).toBe(true);
    }
  });

  it('mounts within a key domain and never across: 202, push it', async () => {
    const { digest } = await dev.pushBlob('team/app/web', randomBytes(500));
    const mount = async (to: string, from: string | null): Promise<number> => {
      const query = `?mount=${digest}${from === null ? '' : `&from=${from}`}`;
      return (await dev.request('POST', `/v2/${to}/blobs/uploads/${query}`)).status;
    };
    expect(await mount('team/app/mounted', 'team/app/web')).toBe(201);
    expect(await mount('acme/app/mounted', 'team/app/web')).toBe(202);
    expect(await mount('acme/app/mounted', null)).toBe(202);
    expect((await dev.request('HEAD', `/v2/acme/app/mounted/blobs/${digest}`)).status).toBe(404);
  });

  it('serves the bytes itself where the project redirects and the storage below could', async () => {
    const direct = await TestRegistry.join(registry, {
      storageKeys: keys('active'),
      signedUrl: async (key) => `https://store.test/${key}`,
    });
    try {
      await registry.database.source.query(
        `UPDATE node SET blob_downloads = 'redirect' WHERE path = 'team/app'`,
      );
      const content = randomBytes(500);
      await dev.pushBlob('team/app/web', content);
      const answer = await get(new TestClient(direct, 'dev'), 'team/app/web', digestOf(content));
      expect([answer.status, answer.body.equals(content)]).toEqual([200, true]);
    } finally {
      await direct.close();
    }
  });

  it('breaks off instead of serving what was tampered with', async () => {
    const content = randomBytes(200_000);
    const [file] = await stored(() => dev.pushBlob('team/app/web', content));
    if (file === undefined) throw new Error('nothing was stored');
    const [path, bytes] = file;
    const changed = Buffer.from(bytes);
    changed[70_000] = (changed[70_000] ?? 0) ^ 1;
    await writeFile(path, changed);
    await expect(get(dev, 'team/app/web', digestOf(content))).rejects.toThrow();
    await truncate(path, 100_000);
    await expect(get(dev, 'team/app/web', digestOf(content))).rejects.toThrow();
    await writeFile(path, bytes);
    expect((await get(dev, 'team/app/web', digestOf(content))).body.equals(content)).toBe(true);
  });

  it('reads nothing of a domain whose key was destroyed, and everything else', async () => {
    const own = await dev.pushBlob('acme/app/web', randomBytes(500));
    const shared = await dev.pushBlob('team/app/web', randomBytes(500));
    const later = await TestRegistry.join(registry, { storageKeys: keys('destroyed') });
    const client = new TestClient(later, 'dev');
    try {
      expect((await get(client, 'team/app/web', shared.digest)).status).toBe(200);
      expect((await get(client, 'acme/app/web', own.digest)).status).toBe(503);
      const push = client.pushBlob('acme/app/web', randomBytes(10));
      await expect(push).rejects.toThrow('blob: 503');
    } finally {
      await later.close();
    }
  });
});
