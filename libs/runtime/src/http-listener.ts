import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { createServer as createProbe, type Socket } from 'node:net';
import type { ConfigOf, listenSettings, Logger } from '@sluice/platform';
import type { Endpoint } from './part.ts';
import { StartError } from './start-error.ts';
import { readTls, type TlsFiles, tlsFiles } from './tls.ts';

export type ListenConfig = ConfigOf<typeof listenSettings>;

/** An id_token that names 200 groups, sent as Basic, is larger than the 16 KiB of Node. */
const HEADER_BYTES_MAX = 65_536;
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;

/** What every server is made with that requests come in by. */
export const HTTP_OPTIONS = {
  maxHeaderSize: HEADER_BYTES_MAX,
  keepAliveTimeout: KEEP_ALIVE_MS,
  /** A request without a body has ended from the start: who reads one asks `readableEnded`, and waits for no event. */
  optimizeEmptyRequests: true,
} as const;

/** One TCP port, plain or TLS, that hands every request to the endpoint that owns its path. */
export class HttpListener {
  readonly #server: Server | TlsServer;
  readonly #endpoints: readonly Endpoint[];
  #draining = false;

  private constructor(server: Server | TlsServer, endpoints: readonly Endpoint[]) {
    this.#server = server;
    this.#endpoints = endpoints;
  }

  /**
   * @throws StartError when the address cannot be taken, or certificate and key cannot be used
   */
  static async listen(
    config: ListenConfig,
    endpoints: readonly Endpoint[],
    logger: Logger,
  ): Promise<HttpListener> {
    const files = tlsFiles(config);
    const server =
      files === null ? createServer(HTTP_OPTIONS) : createTlsServer({ ...HTTP_OPTIONS, ...readTls(files) });
    // Uploads take as long as they take; the data plane watches their progress itself.
    server.requestTimeout = 0;
    server.headersTimeout = HEADERS_MS;
    const listener = new HttpListener(server, endpoints);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      try {
        listener.#dispatch(request, response);
      } catch (error) {
        // Nobody else catches what is thrown here: one request must not end the process for all.
        logger.error({ event: 'request.fault', err: error }, 'A request failed');
        response.destroy();
      }
    });
    server.on('clientError', answerClientError);
    await listen(server, config);
    if (files !== null) reloadOnHangUp(server as TlsServer, files, logger);
    return listener;
  }

  /** Accepts nothing new and resolves when the running requests have ended, or after the time given. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // A connection whose last answer has gone out would else be kept for the client's next request.
    const idle = setInterval(() => this.#server.closeIdleConnections(), 200);
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    try {
      await closed;
    } finally {
      clearInterval(idle);
      clearTimeout(timer);
      for (const endpoint of this.#endpoints) await endpoint.close();
    }
  }

  #dispatch(request: IncomingMessage, response: ServerResponse): void {
    // What still comes on an open connection is answered, and the client sent elsewhere for the next.
    if (this.#draining) response.setHeader('connection', 'close');
    const url = request.url ?? '/';
    const queryAt = url.indexOf('?');
    const path = queryAt < 0 ? url : url.slice(0, queryAt);
    for (const endpoint of this.#endpoints) {
      if (endpoint.owns(path)) {
        endpoint.handle(request, response);
        return;
      }
    }
    answerNotFound(request, response);
  }
}

/** The URL that clients are told when the settings name none. */
export function localUrl(config: ListenConfig): string {
  return `${tlsFiles(config) === null ? 'http' : 'https'}://${config.host}:${config.port}`;
}

/**
 * Finds out before anything is started whether the process will be able to listen, and chooses the port when it is to:
 * what clients are told holds it.
 *
 * @throws StartError when certificate and key cannot be used
 */
export async function prepareListening<Config extends ListenConfig>(config: Config): Promise<Config> {
  const files = tlsFiles(config);
  if (files !== null) readTls(files);
  return config.port === 0 ? { ...config, port: await freePort(config.host) } : config;
}

function freePort(host: string): Promise<number> {
  const probe = createProbe();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function listen(server: Server, { port, host, reusePort }: ListenConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void =>
      reject(new StartError(listenProblem(cause, port, host), undefined, { cause }));
    server.once('error', failed);
    server.listen({ port, host, reusePort }, () => {
      server.removeListener('error', failed);
      resolve();
    });
  });
}

/** New connections get the new certificate; a faulty one leaves the old one in place. */
function reloadOnHangUp(server: TlsServer, files: TlsFiles, logger: Logger): void {
  const reload = (): void => {
    try {
      server.setSecureContext(readTls(files));
      logger.info({ event: 'tls.reloaded', file: files.certFile }, 'Read the certificate again');
    } catch (error) {
      logger.error({ event: 'tls.reload-failed', err: error }, 'The old certificate stays in use');
    }
  };
  process.on('SIGHUP', reload);
  server.once('close', () => process.removeListener('SIGHUP', reload));
}

function answerNotFound(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const body = JSON.stringify({
    statusCode: 404,
    error: 'Not Found',
    message: 'this process has no such path',
  });
  response.writeHead(404, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** For bytes that are no request: the parser gave up, so there is a socket and nothing else. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  if (socket.writable) {
    const body = JSON.stringify({ statusCode: status, error: STATUS_CODES[status] });
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

function listenProblem(error: NodeJS.ErrnoException, port: number, host: string): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return (
        `port ${port} on ${host} is taken by another program: stop it, or choose another port with SLUICE_PORT ` +
        '(several processes of Sluice share one when all have SLUICE_REUSE_PORT=true)'
      );
    case 'EACCES':
      return `this user may not listen on port ${port}: choose one above 1023 with SLUICE_PORT`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `this machine has no address ${host}: set SLUICE_HOST to one that it has`;
    case 'ENOTSUP':
    case 'EINVAL':
      return `this system cannot share a port between processes: leave SLUICE_REUSE_PORT away`;
    default:
      return `cannot listen on ${host}:${port}: ${error.message}`;
  }
}
