import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { CliError } from '../cli-error.ts';
import type { Credentials } from '../config/connection.ts';
import { EXIT } from '../exit-codes.ts';
import { type Problem, ProblemError } from './problem.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const PAGE_LIMIT = 200;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly page: { readonly next: string | null; readonly limit: number };
}

export interface ApiResponse<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface RequestOptions {
  readonly query?: Query;
  readonly body?: unknown;
  readonly accept?: string;
  readonly ifMatch?: string;
  /** Seconds that the server may hold the request on purpose, on top of the usual limit. */
  readonly waitSeconds?: number;
}

export interface UploadOptions {
  readonly query?: Query;
  readonly contentType: string;
  /** Told how many bytes have gone out. */
  readonly onProgress: (sentBytes: number, totalBytes: number) => void;
}

/** Talks to `/api/v1` of one server. Paths are given without that prefix and begin with a slash. */
export class ApiClient {
  readonly url: string;
  readonly #credentials: Credentials;
  readonly #userAgent: string;

  constructor(options: { url: string; credentials: Credentials; userAgent: string }) {
    this.url = options.url;
    this.#credentials = options.credentials;
    this.#userAgent = options.userAgent;
  }

  async get<Body>(path: string, options: RequestOptions = {}): Promise<Body> {
    return (await this.request<Body>('GET', path, options)).body;
  }

  async post<Body>(path: string, body: unknown, options: RequestOptions = {}): Promise<Body> {
    return (await this.request<Body>('POST', path, { ...options, body })).body;
  }

  async put<Body>(path: string, body: unknown): Promise<Body> {
    return (await this.request<Body>('PUT', path, { body })).body;
  }

  /** Changes what is there, whatever its state: the caller has just looked. */
  async patch<Body>(path: string, body: unknown): Promise<Body> {
    return (await this.request<Body>('PATCH', path, { body, ifMatch: '*' })).body;
  }

  async delete(path: string): Promise<void> {
    await this.request('DELETE', path);
  }

  /** All items of a paged resource, page by page as they are consumed. */
  async *items<Item>(path: string, query: Query = {}): AsyncGenerator<Item> {
    let after: string | undefined;
    do {
      const { items, page } = await this.get<Page<Item>>(path, {
        query: { limit: PAGE_LIMIT, ...query, after },
      });
      yield* items;
      after = page.next ?? undefined;
    } while (after !== undefined);
  }

  /** The first item that satisfies the condition, without reading further pages than needed. */
  async find<Item>(path: string, query: Query, isWanted: (item: Item) => boolean): Promise<Item | undefined> {
    for await (const item of this.items<Item>(path, query)) if (isWanted(item)) return item;
    return undefined;
  }

  /** Up to `limit` items of a paged resource. */
  async collect<Item>(path: string, query: Query = {}, limit = Number.POSITIVE_INFINITY): Promise<Item[]> {
    const items: Item[] = [];
    const pageLimit = Math.min(limit, PAGE_LIMIT);
    for await (const item of this.items<Item>(path, { limit: pageLimit, ...query })) {
      items.push(item);
      if (items.length >= limit) break;
    }
    return items;
  }

  async request<Body>(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<ApiResponse<Body>> {
    const response = await this.#fetch(`/api/v1${path}`, options.query ?? {}, {
      method,
      headers: {
        accept: options.accept ?? 'application/json',
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS + (options.waitSeconds ?? 0) * 1000),
    });
    return this.#read<Body>(response);
  }

  /** Sends a file as it is, streamed. */
  async upload<Body>(path: string, file: string, options: UploadOptions): Promise<ApiResponse<Body>> {
    const { size } = statSync(file);
    const chunks = counted(file, (sent) => options.onProgress(sent, size));
    const response = await this.#fetch(`/api/v1${path}`, options.query ?? {}, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': options.contentType,
        'content-length': String(size),
      },
      body: Readable.toWeb(Readable.from(chunks)) as ReadableStream,
      duplex: 'half',
    });
    return this.#read<Body>(response);
  }

  /** A resource that is not JSON: its text and media type. */
  async text(path: string, accept: string): Promise<string> {
    const response = await this.#fetch(
      `/api/v1${path}`,
      {},
      {
        headers: { accept: `${accept}, application/problem+json` },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      },
    );
    if (!response.ok) throw await problemOf(response, this.url);
    return response.text();
  }

  /** A path outside `/api/v1`, such as `/readyz`, with whatever status it answers. */
  async probe(path: string): Promise<{ status: number; headers: Headers; text: string }> {
    const response = await this.#fetch(path, {}, { signal: AbortSignal.timeout(10_000) });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async #read<Body>(response: Response): Promise<ApiResponse<Body>> {
    if (!response.ok) throw await problemOf(response, this.url);
    const { status, headers } = response;
    const text = await response.text();
    if (text === '') return { status, headers, body: undefined as Body };
    if (!/^application\/(?:[\w.+-]+\+)?json\b/.test(headers.get('content-type') ?? '')) {
      throw notSluice(this.url, `it answered ${headers.get('content-type') ?? 'without a content type'}`);
    }
    try {
      return { status, headers, body: JSON.parse(text) as Body };
    } catch {
      throw notSluice(this.url, 'it answered JSON that is not complete');
    }
  }

  async #fetch(path: string, query: Query, init: RequestInit & { duplex?: 'half' }): Promise<Response> {
    const target = new URL(`${this.url}${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, String(value));
    }
    const headers = new Headers(init.headers);
    headers.set('user-agent', this.#userAgent);
    const authorization = authorizationOf(this.#credentials);
    if (authorization !== undefined) headers.set('authorization', authorization);
    let response: Response;
    try {
      // A redirect could lead the credentials somewhere else, and turns a POST into a GET.
      response = await fetch(target, { ...init, headers, redirect: 'manual' });
    } catch (error) {
      throw unreachable(this.url, error);
    }
    if (response.status >= 300 && response.status < 400 && response.status !== 304) {
      throw new CliError(EXIT.unreachable, `${this.url} redirects to ${response.headers.get('location')}`, {
        hint: 'log in to the address that it redirects to',
      });
    }
    return response;
  }
}

function authorizationOf(credentials: Credentials): string | undefined {
  switch (credentials.kind) {
    case 'none':
      return undefined;
    case 'bearer':
      return `Bearer ${credentials.token}`;
    case 'basic':
      return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;
  }
}

async function* counted(file: string, onSent: (bytes: number) => void): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    yield chunk as Buffer;
    sent += (chunk as Buffer).length;
    onSent(sent);
  }
}

async function problemOf(response: Response, url: string): Promise<CliError> {
  const text = await response.text().catch(() => '');
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.status === 'number' && typeof problem.title === 'string')
      return new ProblemError(problem);
  } catch {
    // Not JSON: something else than Sluice answered.
  }
  return notSluice(url, `it answered ${response.status} ${response.statusText}`.trimEnd());
}

function notSluice(url: string, what: string): CliError {
  return new CliError(EXIT.unreachable, `what answers at ${url} is not the API of Sluice: ${what}`, {
    hint: 'check the URL, and any proxy between',
  });
}

function unreachable(url: string, error: unknown): CliError {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new CliError(EXIT.unreachable, `${url} gave no answer in time`, { cause: error });
  }
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code } = cause as NodeJS.ErrnoException;
  // The message of an aggregate (several addresses were tried) is empty.
  const reason =
    (cause instanceof Error && cause.message !== '' ? cause.message : undefined) ?? code ?? 'no reason';
  return new CliError(EXIT.unreachable, `cannot reach ${url}: ${reason}`, {
    hint: hintForNetworkError(code),
    cause: error,
  });
}

function hintForNetworkError(code: string | undefined): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there: start Sluice (`npm start`), or name another server with --url or SLUICE_URL';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved: check it, and the DNS of this machine';
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'the certificate is not trusted: name the CA file in NODE_EXTRA_CA_CERTS';
    default:
      return 'run `sluice doctor` to see what is wrong';
  }
}
