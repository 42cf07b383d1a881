import type { AuditActor, AuditLog, SecretQuery, SecretRecord, SecretStore } from '@sluice/database';
import { AccessError, formatAccessScope, parseAccessScope } from '@sluice/domain/access';
import type { SecretHasher } from './secret-hasher.ts';
import { secretExpiry } from './secret-expiry.ts';

/** More than anybody can keep apart. */
const LIVE_LIMIT = 50;
const DEFAULT_DAYS = 90;

export interface NewAccessToken {
  readonly name: string;
  /** Absent: all that its user may do. */
  readonly scopes?: readonly string[];
  /** Absent: in 90 days. */
  readonly expiresAt?: Date;
}

/** Personal access tokens of users. */
export class AccessTokens {
  readonly #secrets: SecretStore;
  readonly #hasher: SecretHasher;
  readonly #audit: AuditLog;
  readonly #now: () => Date;

  constructor(
    secrets: SecretStore,
    hasher: SecretHasher,
    audit: AuditLog,
    now: () => Date = () => new Date(),
  ) {
    this.#secrets = secrets;
    this.#hasher = hasher;
    this.#audit = audit;
    this.#now = now;
  }

  /**
   * Issues a token; it is in the answer and nowhere else.
   *
   * @throws AccessError scope-invalid, expiry-invalid, limit-reached
   */
  async issue(
    by: AuditActor,
    owner: { id: string; name: string },
    wanted: NewAccessToken,
  ): Promise<{ record: SecretRecord; token: string }> {
    const scopes = (wanted.scopes ?? ['*']).map((scope) => formatAccessScope(parseAccessScope(scope)));
    const expiresAt = secretExpiry(wanted.expiresAt, DEFAULT_DAYS, this.#now());
    const { token, hash } = this.#hasher.generate('pat');
    const record = await this.#secrets.create(
      { principalId: owner.id, kind: 'pat', name: wanted.name, hash, scopes, expiresAt },
      LIVE_LIMIT,
    );
    await this.#audit.record({
      ...by,
      action: 'token.create',
      resource: owner.name,
      decision: 'allowed',
      detail: { secretId: record.id, name: record.name, scopes, expiresAt },
    });
    return { record, token };
  }

  list(query: Omit<SecretQuery, 'kind'>): Promise<SecretRecord[]> {
    return this.#secrets.list({ ...query, kind: 'pat' });
  }

  /** Null for anything but a personal access token. */
  async get(id: string): Promise<SecretRecord | null> {
    const record = await this.#secrets.get(id);
    return record?.kind === 'pat' ? record : null;
  }

  /**
   * Ends a token, and with it every registry token of its user.
   *
   * @throws AccessError secret-unknown
   */
  async revoke(by: AuditActor, owner: { name: string }, id: string): Promise<void> {
    const record = await this.get(id);
    if (record === null) throw new AccessError('secret-unknown', 'there is no such token');
    if (!(await this.#secrets.revoke(id))) return;
    await this.#audit.record({
      ...by,
      action: 'token.revoke',
      resource: owner.name,
      decision: 'allowed',
      detail: { secretId: id, name: record.name },
    });
  }
}
