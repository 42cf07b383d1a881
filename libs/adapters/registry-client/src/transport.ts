import { Authenticator, type Credentials, type Scope } from './authenticator.ts';
import { RegistryClientError } from './errors.ts';
import { discard } from './response.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Path below the registry, or a URL that {@link Transport.resolve} has checked. */
  readonly target: string | URL;
  readonly scope: Scope | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const REDIRECT_MAX = 5;

/** Sends requests to one registry: authentication with one retry, redirects without our secrets, a time limit. */
export class Transport {
  readonly base: URL;
  readonly #authenticator: Authenticator;
  readonly #timeoutMs: number;
  readonly #userAgent: string;

  constructor(base: URL, credentials: Credentials | null, timeoutMs: number, userAgent: string) {
    this.base = base;
    this.#authenticator = new Authenticator(base, credentials);
    this.#timeoutMs = timeoutMs;
    this.#userAgent = userAgent;
  }

  /** Any answer but 401 comes back as it is. @throws RegistryClientError UNREACHABLE, UNAUTHORIZED, PROTOCOL */
  async send(request: RegistryRequest): Promise<Response> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    const url = new URL(request.target, this.base);
    const response = await this.#follow(request, url, this.#authenticator.header(request.scope), signal);
    if (response.status !== 401) return response;
    await discard(response);
    const challenge = response.headers.get('www-authenticate');
    const answer = await this.#authenticator.answer(challenge, request.scope, signal);
    const second = await this.#follow(request, url, answer, signal);
    if (second.status !== 401) return second;
    await discard(second);
    throw new RegistryClientError('UNAUTHORIZED', `${this.base.host} does not accept the credentials`, {
      status: 401,
    });
  }

  /**
   * A URL that the registry gave us to continue with (`Location`, `Link`). It must stay on the registry: what is sent
   * there carries our token.
   *
   * @throws RegistryClientError PROTOCOL
   */
  resolve(location: string | null, relativeTo: URL = this.base): URL {
    const url = location === null || location === '' ? null : URL.parse(location, relativeTo.href);
    if (url === null) throw new RegistryClientError('PROTOCOL', `${this.base.host} sent no usable Location`);
    if (url.origin !== this.base.origin) {
      throw new RegistryClientError(
        'PROTOCOL',
        `${this.base.host} sends an authenticated request to ${url.origin}: not allowed`,
      );
    }
    return url;
  }

  async #follow(
    request: RegistryRequest,
    start: URL,
    authorization: string | null,
    signal: AbortSignal,
  ): Promise<Response> {
    let url = start;
    for (let hop = 0; hop <= REDIRECT_MAX; hop += 1) {
      const response = await this.#fetch(request, url, authorization, signal);
      const canRedirect = request.method === 'GET' || request.method === 'HEAD';
      if (!canRedirect || !REDIRECTS.has(response.status)) return response;
      await discard(response);
      url = redirectTarget(url, response.headers.get('location'));
    }
    throw new RegistryClientError('PROTOCOL', `${this.base.host} redirects more than ${REDIRECT_MAX} times`);
  }

  async #fetch(
    request: RegistryRequest,
    url: URL,
    authorization: string | null,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers: Record<string, string> = { 'user-agent': this.#userAgent, ...request.headers };
    if (authorization !== null && url.origin === this.base.origin) headers['authorization'] = authorization;
    try {
      return await fetch(url, {
        method: request.method,
        headers,
        signal,
        redirect: 'manual',
        ...(request.body === undefined ? {} : { body: Buffer.from(request.body) }),
      });
    } catch (cause) {
      request.signal?.throwIfAborted();
      const reason = signal.aborted ? `within ${this.#timeoutMs / 1000} s` : reachReason(cause);
      throw new RegistryClientError('UNREACHABLE', `${url.origin} does not answer: ${reason}`, { cause });
    }
  }
}

/** Where a redirect leads. @throws RegistryClientError PROTOCOL when that is nowhere, or no longer encrypted */
export function redirectTarget(from: URL, location: string | null): URL {
  const target = location === null || location === '' ? null : URL.parse(location, from.href);
  if (target === null || !['http:', 'https:'].includes(target.protocol))
    throw new RegistryClientError('PROTOCOL', `${from.host} redirects to nowhere`);
  if (from.protocol === 'https:' && target.protocol !== 'https:')
    throw new RegistryClientError('PROTOCOL', `${from.host} redirects from https to ${target.origin}`);
  return target;
}

function reachReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || ((cause as { code?: string }).code ?? 'failed') : 'failed';
}
