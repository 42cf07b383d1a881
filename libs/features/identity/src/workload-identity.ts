import { createHash } from 'node:crypto';
import type { CiBindingStore, SeenToken, SeenTokens } from '@sluice/database';
import {
  AccessError,
  type Caller,
  decideJobRights,
  type JobClaims,
  parseJobClaims,
  provenanceOf,
} from '@sluice/domain/access';
import {
  ISSUER_ALGORITHMS,
  type IssuerAlgorithm,
  type IssuerKeys,
  IssuerKeysError,
} from '@sluice/gitlab-client';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import { LRUCache } from 'lru-cache';

export interface WorkloadSettings {
  /** Accepted `iss` values, exactly as GitLab writes them. */
  readonly issuers: readonly string[];
  /** The one accepted `aud`: the public URL of the installation. */
  readonly audience: string;
}

/** With 200 group paths in it (GitLab's own limit) a token stays well below this. */
const ID_TOKEN_MAX = 32_768;
const FORGET_EVERY_MS = 10 * 60_000;
/** For how long a verified signature is not verified again. */
const VERIFIED_TTL_MS = 5 * 60_000;

/** Turns a GitLab job's `id_token` into a caller with what the bindings of its GitLab project give. */
export class WorkloadIdentity {
  readonly #settings: WorkloadSettings;
  readonly #keys: IssuerKeys;
  readonly #bindings: CiBindingStore;
  readonly #seen: SeenTokens;
  readonly #now: () => Date;
  /** Claims of tokens whose signature was verified, by hash of the token. */
  readonly #verified = new LRUCache<string, Record<string, unknown>>({ max: 1_000, ttl: VERIFIED_TTL_MS });
  #forgotAt = 0;

  constructor(
    settings: WorkloadSettings,
    keys: IssuerKeys,
    bindings: CiBindingStore,
    seen: SeenTokens,
    now: () => Date = () => new Date(),
  ) {
    this.#settings = settings;
    this.#keys = keys;
    this.#bindings = bindings;
    this.#seen = seen;
    this.#now = now;
  }

  get issuers(): readonly string[] {
    return this.#settings.issuers;
  }

  /**
   * Accepts an `id_token` as the password of user `gitlab-ci`. Clients send it with every request, so the same token
   * is accepted until it expires; another token with the same `jti` is not.
   *
   * @throws AccessError credentials-invalid naming what failed; credentials-unavailable when the issuer's keys cannot
   * be had
   */
  async authenticate(idToken: string): Promise<Caller> {
    const { claims, seen } = await this.#verify(idToken);
    if (!(await this.#seen.use(seen))) throw replayed(claims, 'was seen with another token');
    return this.#caller(claims);
  }

  /**
   * Accepts an `id_token` for exchange (RFC 8693), once.
   *
   * @throws AccessError as {@link authenticate}
   */
  async exchange(idToken: string): Promise<Caller> {
    const { claims, seen } = await this.#verify(idToken);
    if (!(await this.#seen.exchange(seen))) throw replayed(claims, 'was exchanged before');
    return this.#caller(claims);
  }

  async #verify(idToken: string): Promise<{ claims: JobClaims; seen: SeenToken }> {
    if (idToken.length > ID_TOKEN_MAX) {
      throw refused(`its length: at most ${ID_TOKEN_MAX} expected, ${idToken.length} given`);
    }
    const hash = createHash('sha256').update(idToken).digest();
    const key = hash.toString('base64');
    const payload = this.#verified.get(key) ?? (await this.#verifySignature(idToken));
    this.#verified.set(key, payload, { ttl: this.#verified.getRemainingTTL(key) || VERIFIED_TTL_MS });
    const issuer = payload['iss'] as string;
    const claims = parseJobClaims(payload, { issuer, audience: this.#settings.audience }, this.#now());
    await this.#forgetSometimes();
    return { claims, seen: { issuer, jti: claims.jti, hash, expiresAt: claims.expiresAt } };
  }

  /** The payload of a token that one of our issuers signed. */
  async #verifySignature(idToken: string): Promise<Record<string, unknown>> {
    const { issuer, kid, algorithm } = this.#unverified(idToken);
    const key = await this.#key(issuer, kid, algorithm);
    try {
      const { payload } = await compactVerify(idToken, key, { algorithms: [algorithm] });
      return JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
    } catch (error) {
      throw refused('its signature does not verify with the key of the issuer', error);
    }
  }

  /** What must be known before the signature can be checked; nothing of it is trusted beyond choosing the key. */
  #unverified(idToken: string): { issuer: string; kid: string | null; algorithm: IssuerAlgorithm } {
    let header: { alg?: string; kid?: string };
    let issuer: unknown;
    try {
      header = decodeProtectedHeader(idToken);
      issuer = decodeJwt(idToken).iss;
    } catch (error) {
      throw refused('it is not a signed JWT', error);
    }
    const algorithm = ISSUER_ALGORITHMS.find((each) => each === header.alg);
    if (algorithm === undefined) {
      throw refused(`header alg: expected ${ISSUER_ALGORITHMS.join(' or ')}, given ${shown(header.alg)}`);
    }
    const known = this.#settings.issuers.find((each) => each === issuer);
    if (known === undefined) {
      const issuers = this.#settings.issuers.join(' or ') || 'none, because no GitLab is configured';
      throw refused(`claim iss: expected ${issuers}, given ${shown(issuer)}`);
    }
    return { issuer: known, kid: typeof header.kid === 'string' ? header.kid : null, algorithm };
  }

  async #key(issuer: string, kid: string | null, algorithm: IssuerAlgorithm) {
    try {
      return await this.#keys.keyFor(issuer, kid, algorithm);
    } catch (error) {
      if (!(error instanceof IssuerKeysError)) throw error;
      if (error.code !== 'issuer-unavailable') throw refused(error.message, error);
      throw new AccessError('credentials-unavailable', `id_token cannot be checked now: ${error.message}`, {
        cause: error,
        retryAfterSeconds: 5,
      });
    }
  }

  async #caller(claims: JobClaims): Promise<Caller> {
    const found = await this.#bindings.forProject(claims.issuer, claims.projectId);
    if (found === null) {
      throw refused(
        `claim project_id: expected a GitLab project that is bound here, given ${claims.projectId} (${claims.projectPath})`,
      );
    }
    const { principal, bindings } = found;
    if (principal.disabledAt !== null) throw refused(`workload ${principal.name} is disabled`);
    const rights = decideJobRights(bindings, claims);
    if (rights.grants.length === 0) throw refused(rights.limits.join('; '));
    const { id, name, epoch } = principal;
    return {
      principal: { kind: 'workload', id, name, epoch, provenance: provenanceOf(claims) },
      access: null,
      tokenId: claims.jti,
      grants: rights.grants,
      limits: rights.limits,
      endsAt: claims.expiresAt,
    };
  }

  async #forgetSometimes(): Promise<void> {
    const now = this.#now().getTime();
    if (now - this.#forgotAt < FORGET_EVERY_MS) return;
    this.#forgotAt = now;
    // An hour of grace: no clock is that wrong, so a forgotten id cannot be used again.
    await this.#seen.forgetExpired(new Date(now - 3_600_000));
  }
}

function replayed(claims: JobClaims, what: string): AccessError {
  return refused(`claim jti: expected one that is used once, given ${claims.jti}, which ${what}`);
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : (JSON.stringify(value)?.slice(0, 200) ?? typeof value);
}

function refused(reason: string, cause?: unknown): AccessError {
  return new AccessError(
    'credentials-invalid',
    `id_token refused: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}
