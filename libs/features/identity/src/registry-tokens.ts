import { randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  AccessError,
  type AccessScope,
  type Caller,
  formatAccessScope,
  type Grant,
  isRole,
  parseAccessScope,
  type Principal,
  type Provenance,
  type RepositoryAccess,
  type RepositoryAction,
  scopesCover,
} from '@sluice/domain/access';
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';

/** Lifetime of a registry token. */
export const TOKEN_SECONDS = 300;
/** Clients take anything shorter for this long (token specification: "must never be returned with less than 60"). */
export const TOKEN_SECONDS_MIN = 60;
const CLOCK_LEEWAY_SECONDS = 10;
/** Node refuses headers beyond 16 KiB, so a longer token would be good for nothing; one that is given is not ours. */
const TOKEN_LENGTH_MAX = 12_288;
/** Reasons for a refusal are for people: the first few, not too long. */
const LIMITS_MAX = 4;
const LIMIT_LENGTH_MAX = 300;
/** Characters of a secret's scopes that a token carries in any case. */
const WITHIN_LENGTH_MAX = 2_000;
/** What a secret's scopes are asked about when a token is used. */
const CONCERNING = ['repository.push', 'repository.read'] as const;
const ALGORITHM = 'ES256';
/** Tokens that are remembered as verified. Clients can have long ones made, as many as they ask for. */
const VERIFIED_MAX = 10_000;
const VERIFIED_BYTES_MAX = 32 * 1_048_576;
/** Of a token with the caller that was read from it, roughly. */
const BYTES_PER_CHARACTER = 3;
const ACTIONS: readonly string[] = ['pull', 'push', 'delete'];

/** The key pairs that sign and verify registry tokens. All replicas share them. */
export abstract class TokenKeys {
  /** The key that signs new tokens: an EC key on P-256, with the id that goes into `kid`. */
  abstract signing(): Promise<{ kid: string; privateKey: KeyObject }>;

  /** The public key with this id, null when it is not ours. Older keys stay until their last token has expired. */
  abstract verifying(kid: string): Promise<KeyObject | null>;
}

export interface TokenSettings {
  /** `iss`: the public URL of the installation. */
  readonly issuer: string;
  /** `aud`: the service name in the registry's challenges. */
  readonly service: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly issuedAt: Date;
  readonly expiresInSeconds: number;
}

/** Issues and verifies the Bearer tokens of the data plane (token specification, "JWT"). */
export class RegistryTokens {
  readonly #keys: TokenKeys;
  readonly #settings: TokenSettings;
  readonly #now: () => number;
  readonly #verified = new LRUCache<string, { caller: Caller; expiresAt: number }>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_BYTES_MAX,
    sizeCalculation: (_, token) => token.length * BYTES_PER_CHARACTER,
  });

  /** @param now milliseconds since 1970: a pull from memory asks, and a Date would be made for each */
  constructor(keys: TokenKeys, settings: TokenSettings, now: () => number = Date.now) {
    this.#keys = keys;
    this.#settings = settings;
    this.#now = now;
  }

  /**
   * Issues a token for a caller.
   *
   * @param access what it allows, already decided
   * @param until when the rights in it end at the latest; the token ends then or after five minutes
   * @throws AccessError scope-invalid when it would name more repositories than fit
   */
  async issue(caller: Caller, access: readonly RepositoryAccess[], until: Date | null): Promise<IssuedToken> {
    const { kid, privateKey } = await this.#keys.signing();
    const issuedAt = Math.floor(this.#now() / 1_000);
    const end = until === null ? Infinity : Math.floor(until.getTime() / 1_000);
    const expires = Math.min(issuedAt + TOKEN_SECONDS, end);
    const { principal } = caller;
    const token = await new SignJWT({
      access: access.map(({ repository, actions }) => ({ type: 'repository', name: repository, actions })),
      sluice: { ...principalClaims(caller), ...secretClaims(caller, access), ...visibilityClaims(access) },
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
      .setIssuer(this.#settings.issuer)
      .setAudience(this.#settings.service)
      .setSubject(principal.kind === 'anonymous' ? '' : principal.name)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(expires)
      .setJti(randomUUID())
      .sign(privateKey);
    if (token.length > TOKEN_LENGTH_MAX) {
      throw new AccessError(
        'scope-invalid',
        `${access.length} repositories are too many for one token: ask for fewer`,
      );
    }
    return {
      token,
      issuedAt: new Date(issuedAt * 1_000),
      expiresInSeconds: Math.max(TOKEN_SECONDS_MIN, expires - issuedAt),
    };
  }

  /** The caller of a token that was verified before and has not expired; null for every other. */
  known(token: string): Caller | null {
    const known = this.#verified.get(token);
    return known !== undefined && known.expiresAt > this.#now() ? known.caller : null;
  }

  /**
   * Verifies a token and returns its caller. What was verified once is only looked up again until it expires.
   *
   * @throws AccessError credentials-invalid
   */
  async verify(token: string): Promise<Caller> {
    const known = this.known(token);
    if (known !== null) return known;
    const now = this.#now();
    if (token.length > TOKEN_LENGTH_MAX) throw refused('the token is too long');
    try {
      const key = await this.#keyOf(token);
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        issuer: this.#settings.issuer,
        audience: this.#settings.service,
        requiredClaims: ['exp', 'iat', 'jti'],
        clockTolerance: CLOCK_LEEWAY_SECONDS,
        currentDate: new Date(now),
      });
      const caller = toCaller(payload);
      const expiresAt = (payload.exp ?? 0) * 1_000;
      if (expiresAt > now) this.#verified.set(token, { caller, expiresAt });
      return caller;
    } catch (error) {
      if (error instanceof AccessError) throw error;
      // jose says which check failed and never repeats the token.
      throw refused(`the token is not valid: ${error instanceof Error ? error.message : 'malformed'}`, error);
    }
  }

  async #keyOf(token: string): Promise<KeyObject> {
    const { alg, kid } = decodeProtectedHeader(token);
    if (alg !== ALGORITHM) throw refused(`the token is not valid: algorithm ${ALGORITHM} expected`);
    const key = kid === undefined ? null : await this.#keys.verifying(kid);
    if (key === null) throw refused('the token is not valid: it was signed with an unknown key');
    return key;
  }
}

/** What a token says of its principal beyond the standard claims, in one private claim. */
interface PrincipalClaims {
  readonly kind: Principal['kind'];
  readonly id?: string;
  readonly epoch?: number;
  readonly admin?: boolean;
  readonly provenance?: Provenance;
  /** `[node id, role, source]` of what a CI job's bindings give. */
  readonly grants?: readonly (readonly [string, string, string])[];
  readonly limits?: readonly string[];
  /** Scopes of the secret that the token was issued for; absent when it has no limits. */
  readonly within?: readonly string[];
  /** Places in `access` of what may be pulled for no other reason than its visibility. */
  readonly visible?: readonly number[];
}

function principalClaims(caller: Caller): PrincipalClaims {
  const { principal } = caller;
  if (principal.kind === 'anonymous') return { kind: 'anonymous' };
  const common = { kind: principal.kind, id: principal.id, epoch: principal.epoch };
  const reasons = (caller.limits ?? [])
    .slice(0, LIMITS_MAX)
    .map((reason) => reason.slice(0, LIMIT_LENGTH_MAX));
  const limits = reasons.length > 0 ? { limits: reasons } : {};
  if (principal.kind === 'user')
    return { ...common, ...limits, ...(principal.isAdmin ? { admin: true } : {}) };
  if (principal.kind === 'robot') return { ...common, ...limits };
  const grants = (caller.grants ?? []).map((grant) => [grant.nodeId, grant.role, grant.source] as const);
  return { ...common, ...limits, provenance: principal.provenance, grants };
}

/** Many long scopes would outgrow a header: then those that concern the token's own repositories. */
function secretClaims(
  { scopes }: Caller,
  access: readonly RepositoryAccess[],
): Pick<PrincipalClaims, 'within'> {
  if (scopes === undefined || scopes === null || scopes.some(({ kind }) => kind === 'all')) return {};
  const all = scopes.map(formatAccessScope);
  if (all.join(' ').length <= WITHIN_LENGTH_MAX) return { within: all };
  const concerns = (scope: AccessScope): boolean =>
    access.some(({ repository }) =>
      CONCERNING.some((action) => scopesCover([scope], action, { path: repository, repository })),
    );
  return { within: scopes.filter(concerns).map(formatAccessScope) };
}

function visibilityClaims(access: readonly RepositoryAccess[]): Pick<PrincipalClaims, 'visible'> {
  const visible = access.flatMap(({ byVisibility }, place) => (byVisibility === true ? [place] : []));
  return visible.length === 0 ? {} : { visible };
}

/** The signature says that we wrote the claims, so only their presence is checked, not their sense. */
function toCaller(payload: Record<string, unknown>): Caller {
  const claims = payload['sluice'] as PrincipalClaims | undefined;
  const access = toAccess(payload['access'], claims?.visible ?? []);
  const name = payload['sub'];
  const tokenId = payload['jti'];
  if (typeof claims?.kind !== 'string' || typeof name !== 'string' || typeof tokenId !== 'string') {
    throw refused('the token is not valid: it lacks the claims of its principal');
  }
  const scopes = access.map(({ repository, actions }): AccessScope => ({
    kind: 'repository',
    pattern: repository,
    actions,
  }));
  const common = {
    access,
    tokenId,
    scopes,
    limits: claims.limits ?? [],
    ...(claims.within === undefined ? {} : { secretScopes: claims.within.map(parseAccessScope) }),
  };
  const { kind, id, epoch } = claims;
  if (kind === 'anonymous') return { ...common, principal: { kind } };
  if (typeof id !== 'string' || typeof epoch !== 'number') {
    throw refused('the token is not valid: it lacks the claims of its principal');
  }
  switch (kind) {
    case 'user':
      return { ...common, principal: { kind, id, name, epoch, isAdmin: claims.admin === true } };
    case 'robot':
      return { ...common, principal: { kind, id, name, epoch } };
    case 'workload': {
      if (claims.provenance === undefined) throw refused('the token is not valid: it lacks provenance');
      const grants = (claims.grants ?? []).flatMap(([nodeId, role, source]): Grant[] =>
        isRole(role) ? [{ principalId: id, nodeId, role, source, expiresAt: null }] : [],
      );
      return { ...common, grants, principal: { kind, id, name, epoch, provenance: claims.provenance } };
    }
  }
}

function toAccess(claim: unknown, visible: readonly number[]): RepositoryAccess[] {
  if (!Array.isArray(claim)) throw refused('the token is not valid: it lacks the claim access');
  return (claim as readonly { type?: unknown; name?: unknown; actions?: unknown }[]).flatMap(
    (entry, place) =>
      entry.type === 'repository' && typeof entry.name === 'string' && Array.isArray(entry.actions)
        ? [
            {
              repository: entry.name,
              actions: entry.actions.filter((action): action is RepositoryAction =>
                ACTIONS.includes(String(action)),
              ),
              ...(visible.includes(place) ? { byVisibility: true } : {}),
            },
          ]
        : [],
  );
}

function refused(message: string, cause?: unknown): AccessError {
  return new AccessError('credentials-invalid', message, cause === undefined ? {} : { cause });
}
