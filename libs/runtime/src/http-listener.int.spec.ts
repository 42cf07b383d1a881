import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { createLogger } from '@sluice/platform';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { HttpListener, type ListenConfig, localUrl, prepareListening } from './http-listener.ts';
import type { Endpoint } from './part.ts';
import { ONE, TWO } from './testing/certificates.ts';

const LOGGER = createLogger('error', { write: () => undefined });
const listeners: HttpListener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.drain(0);
});

async function configOf(settings: Partial<ListenConfig> = {}): Promise<ListenConfig> {
  const nothing = { reusePort: false, tlsCertFile: undefined, tlsKeyFile: undefined };
  return prepareListening({ host: '127.0.0.1', port: 0, ...nothing, ...settings });
}

async function listen(config: ListenConfig, endpoints: readonly Endpoint[]): Promise<HttpListener> {
  const listener = await HttpListener.listen(config, endpoints, LOGGER);
  listeners.push(listener);
  return listener;
}

function endpoint(
  owns: (path: string) => boolean,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Endpoint {
  return { owns, handle, close: async () => undefined };
}

const saying = (text: string, owns: (path: string) => boolean = () => true): Endpoint =>
  endpoint(owns, (_request, response) => response.end(text));

describe('one port for several endpoints', () => {
  it('hands a request to the first that owns its path, whatever its query', async () => {
    const config = await configOf();
    await listen(config, [
      saying('registry', (path) => path.startsWith('/v2')),
      saying('api', (path) => path === '/api'),
    ]);
    const ask = async (path: string): Promise<string> => (await fetch(localUrl(config) + path)).text();
    expect([await ask('/v2/?a=/api'), await ask('/api?x=/v2'), await ask('/api')]).toEqual([
      'registry',
      'api',
      'api',
    ]);
    expect((await fetch(`${localUrl(config)}/elsewhere`)).status).toBe(404);
  });

  it('ends the connection of a request that an endpoint throws at, and answers the next', async () => {
    const config = await configOf();
    const faulty = endpoint(
      (path) => path === '/faulty',
      () => {
        throw new Error('a fault of the endpoint');
      },
    );
    await listen(config, [faulty, saying('ok')]);
    await expect(fetch(`${localUrl(config)}/faulty`)).rejects.toThrow();
    expect(await (await fetch(localUrl(config))).text()).toBe('ok');
  });

  it('takes headers of 60 KB, and answers larger ones with 431 and what is no request with 400', async () => {
    const config = await configOf();
    await listen(config, [saying('ok')]);
    const status = async (bytes: number): Promise<number> =>
      (await fetch(localUrl(config), { headers: { authorization: 'x'.repeat(bytes) } })).status;
    expect([await status(60_000), await status(70_000)]).toEqual([200, 431]);
    expect(await sendRaw(config.port, 'what is this\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('says which setting helps when the port is taken or the address is of no machine', async () => {
    const config = await configOf();
    await listen(config, [saying('ok')]);
    await expect(HttpListener.listen(config, [], LOGGER)).rejects.toThrow(
      /is taken by another program: .*SLUICE_PORT .*SLUICE_REUSE_PORT/,
    );
    await expect(HttpListener.listen({ ...config, host: '192.0.2.1' }, [], LOGGER)).rejects.toThrow(
      /no address 192\.0\.2\.1: set SLUICE_HOST/,
    );
  });

  it.runIf(process.platform === 'linux')('is shared by processes that all say so', async () => {
    const config = await configOf({ reusePort: true });
    await listen(config, [saying('one')]);
    await listen(config, [saying('two')]);
    const answers = new Set<string>();
    // The system chooses by the client's port, so some connections are enough.
    for (let attempt = 0; attempt < 200 && answers.size < 2; attempt++) {
      answers.add(await (await fetch(localUrl(config), { headers: { connection: 'close' } })).text());
    }
    expect([...answers].toSorted()).toEqual(['one', 'two']);
  });
});

describe('draining', () => {
  it('lets a running request finish, and takes no new connection', async () => {
    const config = await configOf();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const slow = endpoint(
      () => true,
      (_request, response) => {
        begin();
        void mayEnd.then(() => response.end('whole'));
      },
    );
    const listener = await listen(config, [slow]);
    const answer = fetch(localUrl(config)).then((response) => response.text());
    await begun;
    const drained = listener.drain(10_000);
    await expect(fetch(localUrl(config))).rejects.toThrow();
    end();
    expect(await answer).toBe('whole');
    await drained;
  });

  it('answers what comes on an open connection, and ends that with the answer', async () => {
    const config = await configOf();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
    const slow = endpoint(
      (path) => path === '/slow',
      (_request, response) => {
        begin();
        void mayEnd.then(() => response.end('slow'));
      },
    );
    const listener = await listen(config, [slow, saying('quick')]);
    const request = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: sluice.test\r\n\r\n`;
    let said = '';
    const socket = connect(config.port, '127.0.0.1', () => socket.write(request('/slow')));
    socket.on('data', (chunk) => (said += String(chunk)));
    const closed = once(socket, 'close');
    await begun;
    const drained = listener.drain(10_000);
    socket.write(request('/quick'));
    // The parser has seen the second request before the first is answered.
    await new Promise((resolve) => setTimeout(resolve, 50));
    end();
    await drained;
    await closed;
    expect(said).toMatch(/keep-alive[^]*\r\n\r\n[^]*slow[^]*connection: close\r\n[^]*\r\n\r\n[^]*quick/i);
  });

  it('cuts off what runs longer than the time given', async () => {
    const config = await configOf();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const listener = await listen(config, [
      endpoint(
        () => true,
        () => begin(),
      ),
    ]);
    const answer = fetch(localUrl(config)).catch(() => 'cut off');
    await begun;
    await listener.drain(50);
    expect(await answer).toBe('cut off');
  });
});

describe('HTTPS', () => {
  it('is spoken with a certificate, in TLS 1.2 and 1.3', async () => {
    const config = await configOf(filesWith(ONE));
    expect(localUrl(config)).toMatch(/^https:/);
    await listen(config, [saying('ok')]);
    expect(await protocolOf(config.port, 'TLSv1.2')).toBe('TLSv1.2');
    expect(await protocolOf(config.port, 'TLSv1.3')).toBe('TLSv1.3');
    await expect(protocolOf(config.port, 'TLSv1.1')).rejects.toThrow();
  });

  it('encrypts with AES-128-GCM when the client leaves the choice, and with what it asks for when not', async () => {
    const config = await configOf(filesWith(ONE));
    await listen(config, [saying('ok')]);
    expect(await suiteOf(config.port, undefined)).toBe('TLS_AES_128_GCM_SHA256');
    expect(await suiteOf(config.port, 'TLS_CHACHA20_POLY1305_SHA256')).toBe('TLS_CHACHA20_POLY1305_SHA256');
  });

  it('takes a new certificate at SIGHUP, and keeps the old one when the new one is faulty', async () => {
    const files = filesWith(ONE);
    const config = await configOf(files);
    await listen(config, [saying('ok')]);
    expect(await subjectOf(config.port)).toBe('one.sluice.test');

    writeFileSync(files.tlsCertFile, TWO.cert);
    process.emit('SIGHUP');
    expect(await subjectOf(config.port)).toBe('one.sluice.test');

    writeFileSync(files.tlsKeyFile, TWO.key);
    process.emit('SIGHUP');
    expect(await subjectOf(config.port)).toBe('two.sluice.test');
  });
});

function filesWith({ cert, key }: { cert: string; key: string }): {
  tlsCertFile: string;
  tlsKeyFile: string;
} {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-https-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const files = { tlsCertFile: join(directory, 'tls.crt'), tlsKeyFile: join(directory, 'tls.key') };
  writeFileSync(files.tlsCertFile, cert);
  writeFileSync(files.tlsKeyFile, key);
  return files;
}

function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => (said += String(chunk)));
    socket.on('close', () => resolve(said));
    socket.on('error', () => undefined);
  });
}

function handshake<Value>(
  port: number,
  version: SecureVersion,
  read: (socket: TLSSocket) => Value,
  asked: { readonly ciphers?: string } = { ciphers: 'DEFAULT@SECLEVEL=0' },
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ...asked };
    const socket = connectTls({ ...options, minVersion: version, maxVersion: version }, () => {
      resolve(read(socket));
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

const protocolOf = (port: number, version: SecureVersion): Promise<string | null> =>
  handshake(port, version, (socket) => socket.getProtocol());

const suiteOf = (port: number, ciphers: string | undefined): Promise<string> =>
  handshake(port, 'TLSv1.3', (socket) => socket.getCipher().name, ciphers === undefined ? {} : { ciphers });

const subjectOf = (port: number): Promise<unknown> =>
  handshake(port, 'TLSv1.3', (socket) => socket.getPeerCertificate().subject.CN);
