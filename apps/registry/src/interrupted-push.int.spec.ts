import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, rawExchange, TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

const REPOSITORY = 'team/app/web';

describe('a push that does not go through', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    dev = await TestClient.maintainer(registry);
  });
  afterAll(async () => registry.close());

  const blobUrl = (digest: string): string => `/v2/${REPOSITORY}/blobs/${digest}`;
  async function expectBlob(content: Uint8Array): Promise<void> {
    const answer = await dev.request('GET', blobUrl(digestOf(content)));
    expect(answer.status).toBe(200);
    expect(answer.body.equals(Buffer.from(content))).toBe(true);
  }

  it('lets one request write at a time', async () => {
    const location = await dev.begin(REPOSITORY);
    const { promise: open, resolve: finish } = Promise.withResolvers<void>();
    const slow = dev.request('PATCH', location, {
      body: new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(Buffer.from('first'));
          await open;
          controller.close();
        },
      }),
    });
    await untilWriting(registry);
    const second = await dev.request('PATCH', location, { body: 'second' });
    expect([second.status, second.error?.code]).toEqual([416, 'RANGE_INVALID']);
    finish();
    expect((await slow).status).toBe(202);
    expect((await dev.request('PUT', `${location}?digest=${digestOf('first')}`)).status).toBe(201);
  });

  it('answers a refused chunk before it ends the connection, however much of the chunk is still to come', async () => {
    const location = await dev.begin(REPOSITORY);
    const socket = registry.connect();
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    const closed = once(socket, 'close');
    socket.write(
      `PATCH ${location} HTTP/1.1\r\nHost: ${registry.host}\r\nAuthorization: ${basic('dev')}\r\n` +
        'Connection: close\r\nContent-Range: 7-4000006\r\nContent-Length: 4000000\r\n\r\n',
    );
    for (let part = 0; part < 40; part += 1) {
      if (!socket.write(Buffer.alloc(100_000))) await once(socket, 'drain');
      await sleep(5);
    }
    // An 'error' (connection reset) would end the test here.
    await closed;
    expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1.1 416 [^]*the upload continues at byte 0/);
  });

  it('keeps what came before the client hung up, and goes on from there', async () => {
    const content = randomBytes(50_000);
    const location = await dev.begin(REPOSITORY);
    const socket = registry.connect();
    socket.write(
      `PATCH ${location} HTTP/1.1\r\nHost: ${registry.host}\r\nAuthorization: ${basic('dev')}\r\n` +
        'Content-Type: application/octet-stream\r\nContent-Length: 50000\r\n\r\n',
    );
    socket.write(content.subarray(0, 30_000));
    await untilWriting(registry);
    await sleep(100);
    socket.destroy();
    await expect
      .poll(async () => (await dev.request('GET', location)).headers.get('range'), { timeout: 5_000 })
      .toBe('0-29999');
    const rest = await dev.request('PATCH', location, {
      headers: { 'content-range': '30000-49999' },
      body: content.subarray(30_000),
    });
    expect(rest.status).toBe(202);
    expect((await dev.request('PUT', `${location}?digest=${digestOf(content)}`)).status).toBe(201);
    await expectBlob(content);
  });

  it('reads the bytes again at the end when the hash of the first chunks is lost with its process', async () => {
    const content = randomBytes(200);
    const location = await dev.begin(REPOSITORY);
    await dev.request('PATCH', location, { body: content.subarray(0, 100) });
    // As if the chunk had come to another replica: its row is all that is known.
    await registry.database.source.query(`UPDATE upload_session SET offset_bytes = 100 WHERE id = $1`, [
      location.split('/').at(-1),
    ]);
    const other = await TestRegistry.join(registry);
    const elsewhere = new TestClient(other, 'dev');
    expect((await elsewhere.request('PATCH', location, { body: content.subarray(100) })).status).toBe(202);
    expect((await elsewhere.request('PUT', `${location}?digest=${digestOf(content)}`)).status).toBe(201);
    await other.close();
    await expectBlob(content);
  });

  it('answers a body that is shorter than announced with nothing stored as a blob', async () => {
    const content = randomBytes(100);
    await rawExchange(
      registry,
      `POST /v2/${REPOSITORY}/blobs/uploads/?digest=${digestOf(content)} HTTP/1.1\r\nHost: x\r\n` +
        `Authorization: ${basic('dev')}\r\nContent-Length: 200\r\n\r\n${content.toString('latin1')}`,
    );
    expect((await dev.request('HEAD', blobUrl(digestOf(content)))).status).toBe(404);
  });

  it.runIf(process.platform === 'linux')(
    'says so when the disk is full, and goes on when it no longer is',
    async () => {
      const location = await dev.begin(REPOSITORY);
      const [row] = await registry.database.source.query<{ storage_key: string }[]>(
        'SELECT storage_key FROM upload_session WHERE id = $1',
        [location.split('/').at(-1)],
      );
      const file = join(registry.storageDirectory, 'blobs', 'uploads', row?.storage_key ?? '');
      // Every write to this device fails as a write to a full disk does.
      await symlink('/dev/full', file);
      const full = await dev.request('PATCH', location, { body: randomBytes(100_000) });
      expect([full.status, full.error?.code, full.headers.get('retry-after')]).toEqual([
        503,
        'UNAVAILABLE',
        '10',
      ]);
      expect(full.error?.message).toContain('full');
      expect((await dev.request('GET', location)).headers.get('range')).toBe('0-0');
      await rm(file);
      expect((await dev.request('PATCH', location, { body: 'fits' })).status).toBe(202);
      expect((await dev.request('PUT', `${location}?digest=${digestOf('fits')}`)).status).toBe(201);
    },
  );
});

describe('a client that drips', () => {
  it('is cut off, and what it has sent is kept', async () => {
    const registry = await TestRegistry.start({ pace: { windowMs: 300, minimumBytes: 100 } });
    try {
      await registry.createProject('team/app');
      await registry.createUser('dev', { 'team/app': 'developer' });
      const dev = new TestClient(registry, 'dev');
      const location = await dev.begin('team/app/web');
      const socket = registry.connect();
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('error', () => undefined);
      socket.write(
        `PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('dev')}\r\nContent-Length: 1000\r\n\r\n`,
      );
      const drip = setInterval(() => socket.write('x'), 50);
      await closed;
      clearInterval(drip);
      await expect
        .poll(async () => (await dev.request('GET', location)).headers.get('range'), { timeout: 5_000 })
        .toMatch(/^0-[1-9]/);
    } finally {
      await registry.close();
    }
  });
});

async function untilWriting(registry: TestRegistry): Promise<void> {
  await expect
    .poll(
      async () => registry.database.source.query(`SELECT id FROM upload_session WHERE state = 'writing'`),
      {
        timeout: 5_000,
      },
    )
    .toHaveLength(1);
}
