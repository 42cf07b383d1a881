import { type Challenge, parseChallenges } from './challenge.ts';
import { RegistryClientError } from './errors.ts';
import { isLoopback } from './reference.ts';
import { describeRefusal, readLimited } from './response.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What a request needs to be allowed to do. */
export interface Scope {
  readonly repository: string;
  readonly actions: readonly ('pull' | 'push' | 'delete')[];
}

/** What reading a repository needs. */
export function pull(repository: string): Scope {
  return { repository, actions: ['pull'] };
}

/** What writing to a repository needs. */
export function push(repository: string): Scope {
  return { repository, actions: ['pull', 'push'] };
}

interface CachedToken {
  readonly header: string;
  readonly expiresAt: number;
}

const TOKEN_ANSWER_MAX = 64 * 1024;
const DEFAULT_LIFETIME_SECONDS = 60;
const PRIVATE_ADDRESS =
  /^(?:localhost|127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|0\.|\[)/;

/**
 * Answers the challenges of one registry: Basic directly, Bearer by the token service of the distribution
 * specification (GET). Tokens are kept per scope until shortly before they expire.
 */
export class Authenticator {
  readonly #base: URL;
  readonly #credentials: Credentials | null;
  readonly #tokens = new Map<string, CachedToken>();
  #isBasic = false;

  constructor(base: URL, credentials: Credentials | null) {
    this.#base = base;
    this.#credentials = credentials;
  }

  /** The `Authorization` that is already known for the scope; null before the first challenge. */
  header(scope: Scope | null): string | null {
    if (this.#isBasic && this.#credentials !== null) return basicHeader(this.#credentials);
    const token = this.#tokens.get(scopeKey(scope));
    return token !== undefined && token.expiresAt > Date.now() ? token.header : null;
  }

  /**
   * The `Authorization` that answers a 401.
   *
   * @throws RegistryClientError UNAUTHORIZED, PROTOCOL, UNREACHABLE
   */
  async answer(challengeHeader: string | null, scope: Scope | null, signal: AbortSignal): Promise<string> {
    const challenges = parseChallenges(challengeHeader ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#fetchToken(bearer, scope, signal);
    if (challenges.some(({ scheme }) => scheme === 'basic')) {
      if (this.#credentials === null) throw this.#unauthorized('it asks for a user name and password');
      this.#isBasic = true;
      return basicHeader(this.#credentials);
    }
    throw this.#unauthorized('it offers neither Bearer nor Basic authentication');
  }

  async #fetchToken(challenge: Challenge, scope: Scope | null, signal: AbortSignal): Promise<string> {
    const realm = this.#checkRealm(challenge.parameters['realm'] ?? '');
    const { service, scope: askedScope } = challenge.parameters;
    if (service !== undefined) realm.searchParams.set('service', service);
    for (const text of new Set([formatScope(scope), askedScope]))
      if (text !== undefined && text !== '') realm.searchParams.append('scope', text);
    const headers: Record<string, string> = { accept: 'application/json' };
    if (this.#credentials !== null) {
      realm.searchParams.set('account', this.#credentials.username);
      headers['authorization'] = basicHeader(this.#credentials);
    }
    let response: Response;
    try {
      // A redirect could carry the password elsewhere: it is an answer like any other, and not 200.
      response = await fetch(realm, { headers, signal, redirect: 'manual' });
    } catch (cause) {
      throw new RegistryClientError('UNREACHABLE', `the token service ${realm.host} does not answer`, {
        cause,
      });
    }
    const body = await readLimited(response, TOKEN_ANSWER_MAX, 'the answer of the token service');
    if (response.status === 401 || response.status === 403)
      throw this.#unauthorized(describeRefusal(body) ?? 'its token service does not accept the credentials');
    if (response.status !== 200) {
      throw new RegistryClientError(
        'PROTOCOL',
        `the token service ${realm.host} answered ${response.status}`,
        {
          status: response.status,
        },
      );
    }
    const { token, lifetimeSeconds } = parseToken(body);
    const header = `Bearer ${token}`;
    this.#tokens.set(scopeKey(scope), { header, expiresAt: Date.now() + lifetimeSeconds * 900 });
    return header;
  }

  /**
   * The realm comes from the registry and gets the password: it must be as safe as the registry itself, and must not
   * reach into a private network that the registry is not part of.
   */
  #checkRealm(text: string): URL {
    const realm = URL.parse(text);
    if (realm === null || realm.username !== '' || !['http:', 'https:'].includes(realm.protocol))
      throw new RegistryClientError('PROTOCOL', `${this.#base.host} names no usable token service`);
    const isSameHost = realm.host === this.#base.host;
    if (realm.protocol === 'http:' && !(isSameHost && this.#base.protocol === 'http:')) {
      throw new RegistryClientError(
        'PROTOCOL',
        `${this.#base.host} sends the password to ${realm.origin}: allowed are https, or the registry itself`,
      );
    }
    if (!isSameHost && PRIVATE_ADDRESS.test(realm.host) && !isLoopback(this.#base.host)) {
      throw new RegistryClientError(
        'PROTOCOL',
        `${this.#base.host} names a token service at the private address ${realm.host}`,
      );
    }
    return realm;
  }

  #unauthorized(reason: string): RegistryClientError {
    const who = this.#credentials === null ? 'without credentials' : `as "${this.#credentials.username}"`;
    return new RegistryClientError('UNAUTHORIZED', `${this.#base.host} refuses access ${who}: ${reason}`, {
      status: 401,
    });
  }
}

function parseToken(body: Buffer): { token: string; lifetimeSeconds: number } {
  let answer: Record<string, unknown> | null = null;
  try {
    answer = JSON.parse(body.toString('utf8')) as Record<string, unknown> | null;
  } catch {
    // Falls through to the same refusal as JSON without a token.
  }
  const token = answer?.['token'] ?? answer?.['access_token'];
  // What goes into a header must not be able to end it (RFC 9110, 5.5).
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new RegistryClientError('PROTOCOL', 'the token service answered without a token');
  const lifetime = answer?.['expires_in'];
  return {
    token,
    lifetimeSeconds: typeof lifetime === 'number' && lifetime > 0 ? lifetime : DEFAULT_LIFETIME_SECONDS,
  };
}

function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function formatScope(scope: Scope | null): string | undefined {
  return scope === null ? undefined : `repository:${scope.repository}:${scope.actions.join(',')}`;
}

function scopeKey(scope: Scope | null): string {
  return formatScope(scope) ?? '';
}
