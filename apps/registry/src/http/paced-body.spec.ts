import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as ask, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { releaseChunk } from '@sluice/blob-storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PacedBody } from './paced-body.ts';

const MIB = 1024 * 1024;
const PACE = { windowMs: 10_000, minimumBytes: 1 };

describe('the body of a request', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function received(): Promise<PacedBody> {
    const [request] = (await once(server, 'request')) as [IncomingMessage];
    return new PacedBody(request, PACE);
  }

  it.each([0, 1, 70_000, MIB, MIB + 1, 9 * MIB + 12_345])(
    'comes whole when it has %i bytes',
    async (size) => {
      const content = randomBytes(size);
      const sent = ask({ port, method: 'PUT', headers: { 'content-length': size } });
      sent.on('error', () => undefined).end(content);
      const parts: Buffer[] = [];
      for await (const chunk of await received()) {
        parts.push(Buffer.from(chunk));
        // Given back, the memory is written over by what comes next.
        releaseChunk(chunk);
      }
      expect(Buffer.concat(parts).equals(content)).toBe(true);
    },
  );

  it('comes in steps of 1 MiB when it is long, and stays as it is until it is given back', async () => {
    const content = randomBytes(12 * MIB);
    ask({ port, method: 'PUT' })
      .on('error', () => undefined)
      .end(content);
    const chunks: Uint8Array[] = [];
    for await (const chunk of await received()) chunks.push(chunk);
    expect(chunks.filter(({ length }) => length === MIB).length).toBeGreaterThanOrEqual(10);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  it('is handed on to the last byte that came when the client breaks off', async () => {
    const content = randomBytes(3 * MIB + 777);
    const sent = ask({ port, method: 'PUT', headers: { 'content-length': 4 * MIB } });
    sent.on('error', () => undefined).write(content);
    const body = await received();
    const parts: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of body) {
        parts.push(chunk);
        if (Buffer.concat(parts).length >= 2 * MIB) void sleep(200).then(() => sent.destroy());
      }
    })();
    await expect(reading).rejects.toThrow();
    expect(Buffer.concat(parts).equals(content)).toBe(true);
  });

  it('does not run ahead of a reader that is slow', async () => {
    const sent = ask({ port, method: 'PUT', headers: { 'content-length': 64 * MIB } });
    sent.on('error', () => undefined);
    let taken = 0;
    for (let i = 0; i < 64; i++) sent.write(Buffer.alloc(MIB), () => (taken += MIB));
    const body = await received();
    await body.next();
    await sleep(300);
    // What the sockets of both sides hold comes on top.
    expect(taken).toBeLessThan(32 * MIB);
    await body.return();
  });

  it('leaves the connection alone when the reader stops early', async () => {
    const sent = ask({ port, method: 'PUT', headers: { 'content-length': 8 * MIB } });
    sent.on('error', () => undefined).write(Buffer.alloc(2 * MIB));
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    const [request, response] = await once(server, 'request');
    for await (const chunk of new PacedBody(request, PACE)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    response.writeHead(416).end();
    const [answer] = await answered;
    expect(answer.statusCode).toBe(416);
  });
});
