import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

const CREDENTIALS = `Host: x\r\nAuthorization: ${basic('dev')}\r\n`;
/** More than the kernel takes at once, and less than a process keeps in memory of what is pulled again and again. */
const LONG_BYTES = 48_000_000;

describe.each([
  ['in plain HTTP', false],
  ['over TLS', true],
])('pulling a long blob %s', (_, isOverTls) => {
  const long = randomBytes(LONG_BYTES);
  let origin: TestRegistry;
  let replica: TestRegistry;
  let dev: TestClient;
  let digest: string;
  beforeAll(async () => {
    origin = await TestRegistry.start();
    dev = await TestClient.maintainer(origin);
    digest = (await dev.pushBlob('team/app/web', long)).digest;
    replica = await TestRegistry.join(origin, { isOverTls });
  });
  afterAll(async () => {
    await replica.close();
    await origin.close();
  });

  const request = (wanted: string): string =>
    `GET /v2/team/app/web/blobs/${wanted} HTTP/1.1\r\n${CREDENTIALS}`;
  /** Asks for blobs in one packet. */
  function ask(from: TestRegistry, ...digests: string[]): Socket {
    const socket = from.connect();
    socket.write(`${digests.map(request).join('\r\n')}Connection: close\r\n\r\n`);
    return socket;
  }

  it('gives its bytes each of many times, to several at once and after some have hung up in the middle', async () => {
    const pull = async (): Promise<void> => {
      const answer = await buffer(ask(replica, digest));
      expect(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(long)).toBe(true);
    };
    const hangUp = async (): Promise<void> => {
      const socket = ask(replica, digest);
      await once(socket, 'data');
      socket.destroy();
    };
    for (let round = 0; round < 3; round += 1) await Promise.all([pull(), hangUp(), pull()]);
    await pull();
  });

  it('answers requests that wait behind it on the same connection, in their order', async () => {
    const others = [randomBytes(20), randomBytes(2_000_000)];
    const digests = [digest];
    for (const content of others) digests.push((await dev.pushBlob('team/app/web', content)).digest);
    let rest = await buffer(ask(replica, ...digests));
    for (const content of [long, ...others]) {
      const bodyAt = rest.indexOf('\r\n\r\n') + 4;
      expect(rest.toString('latin1', 0, bodyAt)).toMatch(/^HTTP\/1\.1 200 /);
      expect(rest.subarray(bodyAt, bodyAt + content.length).equals(content)).toBe(true);
      rest = rest.subarray(bodyAt + content.length);
    }
    expect(rest.length).toBe(0);
  });

  it('gives up a client that does not read what it has asked for, and serves others', async () => {
    const impatient = await TestRegistry.join(origin, { isOverTls, unreadMs: 300 });
    try {
      const socket = ask(impatient, digest).pause();
      socket.on('error', () => undefined);
      await sleep(4_000);
      let bytes = 0;
      for await (const chunk of socket) bytes += (chunk as Buffer).length;
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThan(long.length);
      const answer = await buffer(ask(impatient, digest));
      expect(answer.subarray(-long.length).equals(long)).toBe(true);
    } finally {
      await impatient.close();
    }
  });

  it('lets the request behind it, on the same connection, take its time', async () => {
    const impatient = await TestRegistry.join(origin, { isOverTls, unreadMs: 200 });
    try {
      const location = await dev.begin('team/app/web');
      const socket = impatient.connect();
      const answers = buffer(socket);
      socket.write(
        `${request(digest)}\r\nPATCH ${location} HTTP/1.1\r\n${CREDENTIALS}` +
          'Connection: close\r\nContent-Length: 2\r\n\r\nx',
      );
      await sleep(1_500);
      socket.write('y');
      expect((await answers).includes('HTTP/1.1 202 ')).toBe(true);
    } finally {
      await impatient.close();
    }
  });
});
