import type { PrincipalRecord, PrincipalStore, SecretRecord, SecretStore } from '@sluice/database';
import {
  AccessError,
  type Caller,
  CI_USER_NAME,
  looksLikeSecretToken,
  parseAccessScope,
  parseSecretToken,
  type Principal,
} from '@sluice/domain/access';
import type { RateLimiter } from '@sluice/rate-limits';
import type { LoginThrottle } from './login-throttle.ts';
import type { Passwords } from './passwords.ts';
import type { PrincipalMemory, Standing } from './principal-memory.ts';
import type { RegistryTokens } from './registry-tokens.ts';
import type { SecretHasher } from './secret-hasher.ts';
import type { WorkloadIdentity } from './workload-identity.ts';

export const ANONYMOUS: Caller = { principal: { kind: 'anonymous' }, access: null, tokenId: null };

/** Node refuses headers beyond 16 KiB; the form of the token endpoint may be larger, but no honest credential is. */
const CREDENTIAL_MAX = 32_768;

/** As every client writes it; the scheme in other letters goes the long way. */
const BEARER = 'Bearer ';

/** How exactly the last use of a secret is known. */
const TOUCH_EVERY_MS = 60_000;

export interface AuthenticationParts {
  readonly principals: PrincipalStore;
  readonly standings: PrincipalMemory;
  readonly secrets: SecretStore;
  readonly hasher: SecretHasher;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
  readonly tokens: RegistryTokens;
  readonly workloads: WorkloadIdentity;
  /** Null for no limits. */
  readonly limits: RateLimiter | null;
}

/**
 * Finds out who calls, from an Authorization header or from the fields of a form, and counts the request for its address
 * and, once that is known, for its principal.
 */
export class Authentication {
  readonly #parts: AuthenticationParts;
  readonly #now: () => Date;

  constructor(parts: AuthenticationParts, now: () => Date = () => new Date()) {
    this.#parts = parts;
    this.#now = now;
  }

  /**
   * Authenticates a request of the data plane: no header is anonymous; Basic with a user's password, a secret, or a
   * CI job's `id_token`; Bearer with a registry token or a secret.
   *
   * A registry token is checked by itself only: the caller compares `principal.epoch` with the one that its own query
   * brings. For everything else the epoch is the current one.
   *
   * @throws AccessError credentials-invalid, credentials-throttled, credentials-unavailable, rate-limited
   */
  async authenticate(authorization: string | undefined, address: string): Promise<Caller> {
    this.#parts.limits?.check(null, address);
    return this.#counted(await this.#identify(authorization, address));
  }

  async #identify(authorization: string | undefined, address: string): Promise<Caller> {
    if (authorization === undefined || authorization === '') return ANONYMOUS;
    if (authorization.length > CREDENTIAL_MAX * 2) throw refused('the Authorization header is too large');
    const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+) *$/.exec(authorization) ?? [];
    switch (scheme.toLowerCase()) {
      case 'basic': {
        const { userName, password } = parseBasic(value);
        return this.#byNameAndPassword(userName, password, address);
      }
      case 'bearer':
        return looksLikeSecretToken(value) ? this.#bySecret(value) : this.#parts.tokens.verify(value);
      default:
        throw refused('the Authorization header must be "Basic <credentials>" or "Bearer <token>"');
    }
  }

  /** The caller of a registry token that {@link authenticate} has verified before; null for everything else. */
  known(authorization: string): Caller | null {
    return authorization.startsWith(BEARER)
      ? this.#parts.tokens.known(authorization.slice(BEARER.length))
      : null;
  }

  /**
   * As {@link authenticate}, and a registry token's principal is looked up as well, so that a token whose rights
   * were taken away is refused at once.
   */
  async authenticateFresh(authorization: string | undefined, address: string): Promise<Caller> {
    const caller = await this.authenticate(authorization, address);
    if (caller.access !== null && !(await this.holds(caller))) {
      throw refused('the token was revoked: log in again');
    }
    return caller;
  }

  /** Whether the caller's principal may still act and has lost no right since it was authenticated. */
  async holds({ principal }: Caller): Promise<boolean> {
    if (principal.kind === 'anonymous') return true;
    const record = await this.#parts.standings.standing(principal.id);
    return record !== null && record.epoch === principal.epoch && isAlive(record, this.#now());
  }

  /**
   * Authenticates a user name and password as clients send them. A secret (`slc_…`) is taken as password whatever
   * the user name, because docker demands one and several products have their own.
   *
   * @throws AccessError as {@link authenticate}
   */
  async login(userName: string, password: string, address: string): Promise<Caller> {
    this.#parts.limits?.check(null, address);
    return this.#counted(await this.#byNameAndPassword(userName, password, address));
  }

  /** Counts a request of somebody whom {@link known} has found, and says whether it may go on. */
  isWithinLimits({ principal }: Caller, address: string): boolean {
    const id = principal.kind === 'anonymous' ? null : principal.id;
    return this.#parts.limits === null || this.#parts.limits.take(id, address) === null;
  }

  /** @throws AccessError rate-limited */
  #counted(caller: Caller): Caller {
    if (caller.principal.kind !== 'anonymous') this.#parts.limits?.check(caller.principal.id, null);
    return caller;
  }

  async #byNameAndPassword(userName: string, password: string, address: string): Promise<Caller> {
    if (password.length > CREDENTIAL_MAX) throw refused('the password or token is too long');
    if (looksLikeSecretToken(password)) return this.#bySecret(password);
    if (userName === CI_USER_NAME) return this.#parts.workloads.authenticate(password);
    return this.#byPassword(userName, password, address);
  }

  async #byPassword(userName: string, password: string, address: string): Promise<Caller> {
    const { principals, passwords, throttle } = this.#parts;
    // What cannot be a stored name is not asked of the database, which could not even hold U+0000.
    const record = /^[\x21-\x7e]{1,400}$/.test(userName) ? await principals.byName(userName) : null;
    const hash = record?.kind === 'user' ? record.passwordHash : null;
    const isKnown =
      hash !== null && (passwords.isRemembered(hash, password) || passwords.isRunning(hash, password));
    if (!isKnown) await throttle.attempt(userName, address);
    const right = await passwords.verify(hash, password).catch(async (error: unknown) => {
      // Nobody has looked at the password, so it counts as no guess.
      if (!isKnown) await throttle.takeBack(userName, address);
      throw error;
    });
    if (!right || record === null) throw refused('wrong user name or password');
    if (!isKnown) await throttle.succeeded(userName, address);
    this.#assertAlive(record);
    return { principal: toPrincipal(record), access: null, tokenId: null, endsAt: record.expiresAt };
  }

  async #bySecret(token: string): Promise<Caller> {
    const kind = parseSecretToken(token);
    if (kind === 'refresh') throw refused('a refresh token is good only at the token endpoint');
    const found = await this.#parts.secrets.byHash(this.#parts.hasher.hash(token));
    if (found === null) throw refused('unknown token');
    return this.callerOfSecret(found.secret, found.principal);
  }

  /**
   * The caller whose refresh token this is.
   *
   * @throws AccessError as {@link authenticate}
   */
  async byRefreshToken(token: string, address: string): Promise<Caller> {
    this.#parts.limits?.check(null, address);
    if (parseSecretToken(token) !== 'refresh') throw refused('this is no refresh token: log in again');
    const found = await this.#parts.secrets.byHash(this.#parts.hasher.hash(token));
    if (found === null) throw refused('unknown refresh token: log in again');
    return this.#counted(await this.callerOfSecret(found.secret, found.principal));
  }

  /**
   * The caller that holds a stored secret.
   *
   * @throws AccessError credentials-invalid when the secret or its principal has ended
   */
  async callerOfSecret(secret: SecretRecord, principal: PrincipalRecord): Promise<Caller> {
    const now = this.#now();
    if (secret.revokedAt !== null) throw refused('the token was revoked');
    if (secret.expiresAt !== null && secret.expiresAt <= now) {
      throw refused(`the token expired on ${secret.expiresAt.toISOString()}`);
    }
    this.#assertAlive(principal);
    if (secret.lastUsedAt === null || now.getTime() - secret.lastUsedAt.getTime() >= TOUCH_EVERY_MS) {
      await this.#parts.secrets.touch(secret.id, now);
    }
    return {
      principal: toPrincipal(principal),
      access: null,
      tokenId: secret.id,
      scopes: secret.scopes.map(parseAccessScope),
      endsAt: earliest(secret.expiresAt, principal.expiresAt),
    };
  }

  #assertAlive(record: PrincipalRecord): void {
    if (!isAlive(record, this.#now())) throw refused(`${record.name} is disabled or has expired`);
  }
}

/** @throws AccessError credentials-invalid */
export function parseBasic(value: string): { userName: string; password: string } {
  const bytes = Buffer.from(value, 'base64');
  // Buffer skips what is not base64; a round trip shows whether anything was.
  if (withoutPadding(bytes.toString('base64')) !== withoutPadding(value)) {
    throw refused('Basic credentials must be base64 of "user:password"');
  }
  const text = bytes.toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) throw refused('Basic credentials must be base64 of "user:password"');
  return { userName: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** At most the two that there can be: with any number, a long run in the middle would be tried from each of its places. */
function withoutPadding(base64: string): string {
  return base64.replace(/={1,2}$/, '');
}

function toPrincipal(record: PrincipalRecord): Principal {
  const { id, name, epoch } = record;
  if (record.kind === 'user') return { kind: 'user', id, name, epoch, isAdmin: record.isAdmin };
  if (record.kind === 'robot') return { kind: 'robot', id, name, epoch };
  throw refused('a workload has no password and no secrets');
}

function isAlive(record: Standing, now: Date): boolean {
  return record.disabledAt === null && (record.expiresAt === null || record.expiresAt > now);
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

function refused(message: string): AccessError {
  return new AccessError('credentials-invalid', message);
}
