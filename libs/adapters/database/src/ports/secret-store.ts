import type { SecretKind } from '@sluice/domain/access';
import type { PrincipalRecord } from './principal-store.ts';

export interface SecretRecord {
  readonly id: string;
  readonly principalId: string;
  readonly kind: SecretKind;
  readonly name: string;
  /** As written by `formatAccessScope`. Empty: it may do nothing. */
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
  readonly createdAt: Date;
}

export interface NewSecret {
  readonly principalId: string;
  readonly kind: SecretKind;
  readonly name: string;
  readonly hash: Buffer;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
}

export interface SecretQuery {
  readonly principalId: string;
  readonly kind: SecretKind;
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Hashes of secrets; never a secret itself. */
export abstract class SecretStore {
  /**
   * Stores a secret while fewer than `liveLimit` of that kind are alive (neither revoked nor expired) for the
   * principal. Two callers at once cannot both take the last place.
   *
   * @param whenFull `revoke-oldest` makes room where nobody could be asked to
   * @throws AccessError limit-reached, principal-unknown
   */
  abstract create(
    secret: NewSecret,
    liveLimit: number,
    whenFull?: 'refuse' | 'revoke-oldest',
  ): Promise<SecretRecord>;

  /** The secret and whose it is, in one query; revoked and expired ones too. */
  abstract byHash(hash: Buffer): Promise<{ secret: SecretRecord; principal: PrincipalRecord } | null>;

  abstract get(id: string): Promise<SecretRecord | null>;

  /** Newest first, revoked ones too. At most `limit` items. */
  abstract list(query: SecretQuery): Promise<SecretRecord[]>;

  /** Ends it and raises its principal's epoch, so that tokens won with it end too. False when it was not alive. */
  abstract revoke(id: string): Promise<boolean>;

  /** Notes the use. Cheap: at most one write a minute and secret. */
  abstract touch(id: string, at: Date): Promise<void>;
}
