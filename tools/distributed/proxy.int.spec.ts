import { createServer, type IncomingMessage, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RoundRobinProxy } from './proxy.ts';

describe('the round robin', () => {
  const servers: Server[] = [];
  const proxies: RoundRobinProxy[] = [];
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close();
    for (const server of servers.splice(0)) await close(server);
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function proxyFor(registries: readonly string[], apis = registries): Promise<string> {
    const proxy = await RoundRobinProxy.listen({ registries, apis }, 0);
    proxies.push(proxy);
    return `http://127.0.0.1:${proxy.port}`;
  }

  const naming = (name: string): Promise<string> => serve((_request, response) => response.end(name));
  const text = async (url: string): Promise<string> => (await fetch(url)).text();

  it('sends every request to the next server, also on one connection', async () => {
    const url = await proxyFor([await naming('a'), await naming('b')]);
    const answers: string[] = [];
    for (let index = 0; index < 4; index++) answers.push(await text(`${url}/v2/`));
    expect(answers).toEqual(['a', 'b', 'a', 'b']);
  });

  it('sends what is of the registry to registries, and everything else to APIs', async () => {
    const url = await proxyFor([await naming('registry')], [await naming('api')]);
    const paths = ['/v2', '/v2/a/tags/list', '/service/token?scope=x', '/v2x', '/api/v1/projects', '/readyz'];
    const answers = await Promise.all(paths.map((path) => text(url + path)));
    expect(answers).toEqual(['registry', 'registry', 'registry', 'api', 'api', 'api']);
  });

  it('passes over a server that is not there, bodies included, and is unavailable when none is', async () => {
    const gone = await naming('gone');
    const [server] = servers.splice(0, 1);
    if (server !== undefined) await close(server);
    const echo = await serve((incoming, response) => void incoming.pipe(response));
    const url = await proxyFor([gone, echo]);
    const body = 'x'.repeat(300_000);
    for (let index = 0; index < 4; index++) {
      expect(await (await fetch(`${url}/v2/`, { method: 'PUT', body })).text()).toBe(body);
    }
    expect((await fetch(`${await proxyFor([gone])}/v2/`)).status).toBe(503);
  });

  it('hands on status, headers and client address, and says how the client has come', async () => {
    let seen: IncomingMessage['headers'] = {};
    const server = await serve((incoming, response) => {
      seen = incoming.headers;
      response.writeHead(416, ['Docker-Content-Digest', 'sha256:x', 'Link', '<a>', 'Link', '<b>']);
      response.end();
    });
    const url = await proxyFor([server]);
    const answer = await fetch(`${url}/v2/`, { headers: { 'x-forwarded-for': '192.0.2.7' } });
    expect([answer.status, answer.headers.get('docker-content-digest')]).toEqual([416, 'sha256:x']);
    expect(answer.headers.get('link')).toBe('<a>, <b>');
    expect(seen).toMatchObject({
      host: new URL(url).host,
      'x-forwarded-for': '192.0.2.7, 127.0.0.1',
      'x-forwarded-proto': 'http',
    });
  });

  it('answers HEAD without a body and with the length of one', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 12_345 });
      response.end();
    });
    const answer = await fetch(`${await proxyFor([server])}/v2/`, { method: 'HEAD' });
    expect([answer.headers.get('content-length'), await answer.text()]).toEqual(['12345', '']);
  });

  it('breaks off an answer whose server dies, so that nobody takes it for whole', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write(Buffer.alloc(1_000), () => response.destroy());
    });
    const answer = await fetch(`${await proxyFor([server])}/v2/`);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  it('ends the request to the server when the client hangs up', async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const server = await serve((incoming) => void incoming.once('close', () => end()));
    const url = await proxyFor([server]);
    const outgoing = request(`${url}/v2/`, { method: 'PATCH', headers: { 'content-length': 1_000 } });
    outgoing.on('error', () => undefined);
    outgoing.write('some', () => setTimeout(() => outgoing.destroy(), 50));
    await ended;
  });
});

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
