import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fastify, type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limitBodies, readsItsBody } from './http-bodies.ts';

describe('a connection that keeps a request open for nothing', () => {
  let server: FastifyInstance;
  beforeAll(async () => {
    server = fastify({ requestTimeout: 0 });
    limitBodies(server, { arrivalMs: 300, drainMs: 300 });
    server.addContentTypeParser('application/zip', (_request, payload, done) => done(null, payload));
    server.post('/document', async () => ({ read: true }));
    server.post('/stream', async (request) => ({ length: (await text(request.body as never)).length }));
    server.setErrorHandler(async (error, request) => {
      if ((error as { code?: string }).code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') throw error;
      readsItsBody(request);
      return { length: (await text(request.raw)).length };
    });
    await server.listen({ port: 0, host: '127.0.0.1' });
  });
  afterAll(async () => {
    server.server.closeAllConnections();
    await server.close();
  });

  /** Sends the head and one byte every 50 ms; what came back, and after how long the connection ended. */
  async function drip(path: string, type: string, bytes: number): Promise<{ answer: string; ms: number }> {
    const startedAt = performance.now();
    const socket = connect((server.server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${bytes}\r\n\r\n`,
    );
    let sent = 0;
    const timer = setInterval(() => {
      if (sent < bytes) socket.write(' ');
      sent += 1;
    }, 50);
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2_000))]);
    clearInterval(timer);
    socket.destroy();
    return { answer, ms: performance.now() - startedAt };
  }

  it('by a document that drips is cut off', async () => {
    const { answer, ms } = await drip('/document', 'application/json', 1_000);
    expect(answer).not.toContain('200 OK');
    expect(ms).toBeLessThan(1_500);
  });

  it.each(['/document', '/nowhere'])(
    'by a body that goes on after the answer of %s is cut off',
    async (path) => {
      const { answer, ms } = await drip(path, 'application/zip', 1_000);
      expect(answer).toMatch(/^HTTP\/1\.1 (200|404)/);
      expect(ms).toBeLessThan(1_500);
    },
  );

  it('is left alone while its route reads the body as a stream', async () => {
    const { answer } = await drip('/stream', 'application/zip', 12);
    expect(answer).toContain('{"length":12}');
  });

  it('is left alone while an error handler reads the body that the framework has refused', async () => {
    const { answer } = await drip('/stream', 'none', 12);
    expect(answer).toContain('{"length":12}');
  });

  it('stays open for the next request when the body has ended', async () => {
    const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/document`;
    for (let round = 0; round < 2; round += 1) {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      expect(await answer.json()).toEqual({ read: true });
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  });
});
