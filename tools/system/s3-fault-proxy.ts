import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one request on its way to the S3 server, or to its answer. */
export type Fault =
  /** Answered by the proxy; the server never hears of it. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The connection breaks when so much of the request body has arrived; the server never hears of it. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  /** The server does it, and the connection breaks before the answer. */
  | { readonly kind: 'lose-answer' }
  /** The server does it, and the answer comes so late. */
  | { readonly kind: 'delay-answer'; readonly ms: number }
  /** Headers and so many bytes come, and then the connection breaks, or nothing more. */
  | { readonly kind: 'cut-answer' | 'stall-answer'; readonly afterBytes: number }
  /** No answer at all, and the connection stays open. */
  | { readonly kind: 'hang' }
  /** The answer is another than the server's. */
  | { readonly kind: 'rewrite'; rewrite(answer: Answer): Answer };

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Of S3, as far as faults tell them apart. */
  readonly operation: 'UploadPart' | 'Create' | 'Complete' | 'Put' | 'Get' | 'Head' | 'Delete' | 'List';
}

/** An HTTP proxy in front of an S3 server that does to its requests what {@link FaultProxy.plan} says. */
export class FaultProxy {
  /** Asked for each request; the default lets everything pass. */
  plan: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #upstream: URL;
  readonly #server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));

  private constructor(upstream: string) {
    this.#upstream = new URL(upstream);
  }

  static async start(upstream: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const fault = this.plan(describe(incoming));
    outgoing.on('error', () => undefined);
    incoming.on('error', () => undefined);
    switch (fault?.kind) {
      case 'answer':
        incoming.resume();
        outgoing.writeHead(fault.status, { 'content-type': 'application/xml' });
        outgoing.end(
          `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>by the proxy</Message></Error>`,
        );
        return;
      case 'hang':
        incoming.resume();
        return;
      case 'cut-request': {
        let received = 0;
        incoming.on('data', (chunk: Buffer) => {
          received += chunk.length;
          if (received >= fault.afterBytes) incoming.socket.destroy();
        });
        incoming.on('end', () => incoming.socket.destroy());
        return;
      }
      default:
        this.#forward(incoming, outgoing, fault);
    }
  }

  /** The Host header is signed, so it goes on as it came. */
  #forward(incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
    const { hostname, port } = this.#upstream;
    const options = {
      hostname,
      port,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
    };
    const upstream = request(options, (answer) => void this.#reply(answer, incoming, outgoing, fault));
    upstream.on('error', () => incoming.socket.destroy());
    incoming.on('aborted', () => upstream.destroy());
    incoming.pipe(upstream);
  }

  async #reply(
    answer: IncomingMessage,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> {
    const status = answer.statusCode ?? 502;
    if (fault === undefined) {
      outgoing.writeHead(status, answer.headers);
      answer.on('error', () => outgoing.destroy());
      answer.pipe(outgoing);
      return;
    }
    const body = await collect(answer);
    switch (fault.kind) {
      case 'lose-answer':
        incoming.socket.destroy();
        return;
      case 'delay-answer':
        setTimeout(() => outgoing.writeHead(status, answer.headers).end(body), fault.ms);
        return;
      case 'cut-answer':
      case 'stall-answer':
        outgoing.writeHead(status, answer.headers);
        outgoing.write(body.subarray(0, fault.afterBytes), () => {
          if (fault.kind === 'cut-answer') incoming.socket.destroy();
        });
        return;
      case 'rewrite': {
        const other = fault.rewrite({ status, headers: answer.headers, body });
        const length = incoming.method === 'HEAD' ? {} : { 'content-length': other.body.length };
        outgoing.writeHead(other.status, { ...other.headers, ...length }).end(other.body);
        return;
      }
      default:
        throw new Error(`${fault.kind} needs no server`);
    }
  }
}

async function collect(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function describe({ method = 'GET', url = '/', headers }: IncomingMessage): SeenRequest {
  return { method, path: url, headers, operation: operationOf(method, url) };
}

function operationOf(method: string, path: string): SeenRequest['operation'] {
  switch (method) {
    case 'PUT':
      return path.includes('partNumber=') ? 'UploadPart' : 'Put';
    case 'POST':
      return path.includes('uploadId=') ? 'Complete' : 'Create';
    case 'HEAD':
      return 'Head';
    case 'DELETE':
      return 'Delete';
    default:
      return /[?&](?:uploads|list-type|uploadId)/.test(path) ? 'List' : 'Get';
  }
}
