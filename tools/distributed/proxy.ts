import {
  Agent,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Upstreams {
  /** Take `/v2` and `/service/token` in turn. */
  readonly registries: readonly string[];
  /** Take everything else in turn. */
  readonly apis: readonly string[];
}

/** RFC 9110, 7.6.1: of one connection, and not of the request. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'expect']);
/** A server that refused a connection is left out for so long. */
const REST_MS = 500;

/**
 * What a load balancer does in front of replicas, in its plainest form: every request goes to the next server, nobody
 * is remembered, and a server that refuses the connection is passed over. Bodies are streamed both ways.
 */
export class RoundRobinProxy {
  readonly #server: Server;
  readonly #registries: Ring;
  readonly #apis: Ring;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity });

  private constructor(upstreams: Upstreams) {
    this.#registries = new Ring(upstreams.registries);
    this.#apis = new Ring(upstreams.apis);
    this.#server = createServer({ maxHeaderSize: 65_536, keepAliveTimeout: 75_000 }, (request, response) => {
      this.#serve(request, response);
    });
    this.#server.requestTimeout = 0;
  }

  /** @param port 0 for a free one */
  static async listen(upstreams: Upstreams, port: number, host = '127.0.0.1'): Promise<RoundRobinProxy> {
    const proxy = new RoundRobinProxy(upstreams);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(port, host, resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const isRegistry = /^\/(?:v2|service\/token)(?:[/?]|$)/.test(request.url ?? '');
    const ring = isRegistry ? this.#registries : this.#apis;
    this.#forward(request, response, ring, ring.turn());
  }

  /** Asks the first of the servers; the others are asked while nothing of the request has been sent. */
  #forward(request: IncomingMessage, response: ServerResponse, ring: Ring, servers: readonly string[]): void {
    const [server, ...others] = servers;
    if (server === undefined) {
      answer(response, 503, 'no server takes connections');
      return;
    }
    const hasBody =
      request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0;
    const isRepeatable = !hasBody && (request.method === 'GET' || request.method === 'HEAD');
    const outgoing = httpRequest(server, {
      method: request.method,
      path: request.url,
      headers: forwarded(request),
      // A connection that the server is just closing would lose what cannot be sent again.
      agent: isRepeatable ? this.#agent : false,
    });
    // What is left of a body that the server has answered early cannot be sent on, and is read so that the client is
    // not stuck with it.
    outgoing.once('close', () => {
      if (!isAnswered) return;
      request.unpipe(outgoing);
      request.resume();
    });
    const retry = (): void => this.#forward(request, response, ring, others);
    let isAnswered = false;
    outgoing.once('response', (incoming) => {
      isAnswered = true;
      response.writeHead(incoming.statusCode ?? 502, endToEnd(incoming.rawHeaders));
      incoming.once('error', () => response.destroy());
      incoming.pipe(response);
    });
    outgoing.once('error', (error: NodeJS.ErrnoException) => {
      if (isAnswered) return;
      if (response.headersSent) response.destroy();
      else if (error.code === 'ECONNREFUSED') {
        ring.rest(server);
        retry();
      } else if (isRepeatable && outgoing.reusedSocket) retry();
      else answer(response, 502, error.message);
    });
    response.once('close', () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    if (hasBody) sendWhenConnected(request, outgoing);
    else outgoing.end();
  }
}

/** Servers in turn. */
class Ring {
  readonly #servers: readonly string[];
  readonly #restUntil = new Map<string, number>();
  #next = 0;

  constructor(servers: readonly string[]) {
    this.#servers = servers;
  }

  /** All servers, beginning with the one whose turn it is; those that rest come last. */
  turn(): string[] {
    const at = this.#next++ % this.#servers.length;
    const order = [...this.#servers.slice(at), ...this.#servers.slice(0, at)];
    const isResting = (server: string): boolean => (this.#restUntil.get(server) ?? 0) > Date.now();
    return [...order.filter((server) => !isResting(server)), ...order.filter(isResting)];
  }

  rest(server: string): void {
    this.#restUntil.set(server, Date.now() + REST_MS);
  }
}

function sendWhenConnected(request: IncomingMessage, outgoing: ReturnType<typeof httpRequest>): void {
  outgoing.once('socket', (socket: Socket) => {
    const send = (): void => void request.pipe(outgoing);
    if (socket.connecting) socket.once('connect', send);
    else send();
  });
}

function forwarded(request: IncomingMessage): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headers))
    if (!HOP_BY_HOP.has(name)) headers[name] = value;
  const earlier = request.headers['x-forwarded-for'];
  const address = request.socket.remoteAddress ?? '';
  headers['x-forwarded-for'] = earlier === undefined ? address : `${String(earlier)}, ${address}`;
  headers['x-forwarded-proto'] = 'http';
  return headers;
}

/** Names and values in turn, as they came: no header is joined with another or spelt anew. */
function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2);
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

function answer(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: `proxy: ${message}` }] });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
