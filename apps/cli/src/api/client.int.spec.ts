import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import { ApiClient } from './client.ts';
import { throughOutages, waitForJob } from './job.ts';
import { ProblemError } from './problem.ts';

describe('the client of the API', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let client: ApiClient;

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    client = new ApiClient({
      url: `http://127.0.0.1:${port}`,
      credentials: { kind: 'basic', user: 'anna', password: 'hunter2' },
      userAgent: 'test',
    });
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function failure(promise: Promise<unknown>): Promise<CliError> {
    const error = await promise.then(
      () => new Error('it succeeded'),
      (cause: unknown) => cause,
    );
    if (!(error instanceof CliError)) throw error;
    return error;
  }

  function send(response: ServerResponse, status: number, type: string, body: string): void {
    response.writeHead(status, { 'content-type': type }).end(body);
  }

  it.each([
    [400, EXIT.usage],
    [401, EXIT.unauthenticated],
    [403, EXIT.forbidden],
    [404, EXIT.notFound],
    [409, EXIT.conflict],
    [412, EXIT.conflict],
    [429, EXIT.unreachable],
    [500, EXIT.internal],
    [503, EXIT.unreachable],
  ])(
    'turns a problem of status %i into exit code %i, with its detail and faults',
    async (status, exitCode) => {
      const errors = [
        { pointer: '/a', message: 'one' },
        { pointer: '/b', message: 'two' },
      ];
      const problem = { type: 'x', title: 'T', status, detail: 'D', code: 'c', requestId: 'r', errors };
      answer = (_request, response) =>
        send(response, status, 'application/problem+json; charset=utf-8', JSON.stringify(problem));
      const error = await failure(client.get('/x'));
      expect(error).toBeInstanceOf(ProblemError);
      expect([error.exitCode, error.message]).toEqual([exitCode, 'D\n  /a: one\n  /b: two']);
    },
  );

  it.each([
    ['a page of something else', 200, 'text/html', '<html>'],
    ['an error page of a proxy', 502, 'text/html', '<html>'],
    ['half of an answer', 200, 'application/json', '{"items": ['],
    ['JSON that is no problem', 418, 'application/json', '{"error": "teapot"}'],
  ])('says that it is not Sluice when it gets %s', async (_what, status, type, body) => {
    answer = (_request, response) => send(response, status, type, body);
    const error = await failure(client.get('/x'));
    expect([error.exitCode, error.message.includes('is not the API of Sluice')]).toEqual([
      EXIT.unreachable,
      true,
    ]);
  });

  it('follows no redirect, so that credentials go nowhere else', async () => {
    const seen: (string | undefined)[] = [];
    answer = (request, response) => {
      seen.push(request.url);
      response.writeHead(302, { location: '/elsewhere' }).end();
    };
    expect((await failure(client.get('/x'))).message).toContain('redirects to /elsewhere');
    expect(seen).toEqual(['/api/v1/x']);
  });

  it('never repeats credentials in an error', async () => {
    answer = (_request, response) => send(response, 500, 'text/plain', 'x');
    const error = await failure(client.get('/x'));
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toMatch(/hunter2|YW5uYTpodW50ZXIy/);
  });

  it('reads page after page, and no more than it is asked for', async () => {
    const asked: string[] = [];
    answer = (request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://x');
      asked.push(`${searchParams.get('after')}/${searchParams.get('limit')}`);
      const start = Number(searchParams.get('after') ?? 0);
      const items = [start, start + 1];
      const page = { next: start < 4 ? String(start + 2) : null, limit: 2 };
      send(response, 200, 'application/json', JSON.stringify({ items, page }));
    };
    expect(await client.collect('/x')).toEqual([0, 1, 2, 3, 4, 5]);
    asked.length = 0;
    expect(await client.collect('/x', {}, 3)).toEqual([0, 1, 2]);
    expect(asked).toEqual(['null/3', '2/3']);
  });

  it('streams a file with its length and tells how much has gone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-upload-'));
    try {
      const file = join(directory, 'all.zip');
      writeFileSync(file, Buffer.alloc(3_000_000, 'x'));
      let received = 0;
      let length: string | undefined;
      answer = (request, response) => {
        length = request.headers['content-length'];
        request.on('data', (chunk: Buffer) => (received += chunk.length));
        request.on('end', () => send(response, 202, 'application/json', '{"id":"job_1"}'));
      };
      const progress: number[] = [];
      const { status, body } = await client.upload<{ id: string }>('/x', file, {
        contentType: 'application/zip',
        onProgress: (sent, total) => progress.push(sent / total),
      });
      expect([status, body.id, received, length]).toEqual([202, 'job_1', 3_000_000, '3000000']);
      expect(progress.at(-1)).toBe(1);
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('waits for a job through an outage of the server', async () => {
    let asked = 0;
    answer = (request, response) => {
      asked += 1;
      if (asked === 2) return void request.socket.destroy();
      const state = asked < 4 ? 'running' : 'succeeded';
      send(response, 200, 'application/json', JSON.stringify({ id: 'job_1', state, progress: null }));
    };
    const states: string[] = [];
    const job = await waitForJob(client, 'job_1', ({ state }) => states.push(state));
    expect([job.state, states]).toEqual(['succeeded', ['running', 'running', 'succeeded']]);
  });

  it('does not wait through a refusal, nor longer than told', async () => {
    answer = (_request, response) =>
      send(response, 403, 'application/problem+json', JSON.stringify({ title: 'T', status: 403 }));
    expect((await failure(throughOutages(() => client.get('/x')))).exitCode).toBe(EXIT.forbidden);
    answer = (request) => void request.socket.destroy();
    expect((await failure(throughOutages(() => client.get('/x'), 10))).exitCode).toBe(EXIT.unreachable);
  });
});
