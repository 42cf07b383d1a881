export interface PrincipalRecord {
  readonly id: string;
  readonly kind: 'user' | 'robot' | 'workload';
  readonly name: string;
  readonly displayName: string;
  readonly email: string | null;
  readonly isAdmin: boolean;
  /** The node that owns a robot, null for others. */
  readonly nodeId: string | null;
  readonly epoch: number;
  readonly disabledAt: Date | null;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

export interface NewPrincipal {
  readonly kind: 'user' | 'robot' | 'workload';
  readonly name: string;
  readonly displayName?: string;
  readonly email?: string | null;
  readonly passwordHash?: string | null;
  readonly isAdmin?: boolean;
  readonly nodeId?: string | null;
  readonly expiresAt?: Date | null;
}

export interface PrincipalChange {
  readonly displayName?: string;
  readonly email?: string | null;
  readonly passwordHash?: string;
  readonly isAdmin?: boolean;
  readonly disabled?: boolean;
  readonly expiresAt?: Date | null;
}

export interface PrincipalQuery {
  readonly kind: 'user' | 'robot' | 'workload';
  /** Only robots of this node. */
  readonly nodeId?: string;
  /** Name of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Users, robots and workloads. Names are unique over all kinds. */
export abstract class PrincipalStore {
  /** @throws AccessError name-taken */
  abstract create(principal: NewPrincipal): Promise<PrincipalRecord>;

  abstract byId(id: string): Promise<PrincipalRecord | null>;

  /** With the password hash, which is null for whoever has no password. */
  abstract byName(name: string): Promise<(PrincipalRecord & { readonly passwordHash: string | null }) | null>;

  /** In byte order of the name. At most `limit` items. */
  abstract list(query: PrincipalQuery): Promise<PrincipalRecord[]>;

  /**
   * Changes what is given. The epoch rises when that takes something away (password, administration, disabling,
   * expiry), so that tokens already issued end. A new password revokes refresh tokens, which stand for the old one.
   *
   * @throws AccessError principal-unknown; last-admin when no enabled administrator would be left
   */
  abstract update(id: string, change: PrincipalChange): Promise<PrincipalRecord>;

  /** @throws AccessError principal-unknown; last-admin */
  abstract delete(id: string): Promise<void>;

  abstract hasAdmin(): Promise<boolean>;
}
