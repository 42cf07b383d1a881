import { randomBytes } from 'node:crypto';
import type { AuditActor, AuditLog, PrincipalQuery, PrincipalRecord, PrincipalStore } from '@sluice/database';
import { AccessError, checkNewPassword, FIRST_ADMIN_NAME, parseUserName } from '@sluice/domain/access';
import type { Passwords } from './passwords.ts';

export interface NewUser {
  readonly name: string;
  readonly password: string;
  readonly displayName?: string;
  readonly email?: string | null;
  readonly isAdmin?: boolean;
}

export interface UserChange {
  readonly displayName?: string;
  readonly email?: string | null;
  readonly password?: string;
  readonly isAdmin?: boolean;
  readonly disabled?: boolean;
}

/** Local users. */
export class Users {
  readonly #principals: PrincipalStore;
  readonly #passwords: Passwords;
  readonly #audit: AuditLog;

  constructor(principals: PrincipalStore, passwords: Passwords, audit: AuditLog) {
    this.#principals = principals;
    this.#passwords = passwords;
    this.#audit = audit;
  }

  /**
   * Makes the first administrator of a new installation; does nothing when there is one.
   *
   * @param password null to have one made up
   * @returns the made-up password, to be shown this once; null when none was made up
   * @throws AccessError password-invalid
   */
  async ensureFirstAdmin(password: string | null): Promise<{ name: string; password: string } | null> {
    if (await this.#principals.hasAdmin()) return null;
    const chosen = password ?? randomBytes(18).toString('base64url');
    checkNewPassword(chosen);
    try {
      await this.#principals.create({
        kind: 'user',
        name: FIRST_ADMIN_NAME,
        displayName: 'Administrator',
        isAdmin: true,
        passwordHash: await this.#passwords.hash(chosen),
      });
    } catch (error) {
      // Another replica was first.
      if (error instanceof AccessError && error.code === 'name-taken') return null;
      throw error;
    }
    await this.#audit.record({
      actor: 'system',
      tokenId: null,
      clientAddress: null,
      requestId: null,
      action: 'user.create',
      resource: FIRST_ADMIN_NAME,
      decision: 'allowed',
      detail: { isAdmin: true },
    });
    return password === null ? { name: FIRST_ADMIN_NAME, password: chosen } : null;
  }

  /** @throws AccessError name-invalid, name-taken, password-invalid */
  async create(by: AuditActor, user: NewUser): Promise<PrincipalRecord> {
    const name = parseUserName(user.name);
    checkNewPassword(user.password);
    const record = await this.#principals.create({
      kind: 'user',
      name,
      displayName: user.displayName ?? '',
      email: user.email ?? null,
      isAdmin: user.isAdmin ?? false,
      passwordHash: await this.#passwords.hash(user.password),
    });
    await this.#record(by, 'user.create', name, { isAdmin: record.isAdmin });
    return record;
  }

  /** Null for anything but a user. */
  async get(id: string): Promise<PrincipalRecord | null> {
    const record = await this.#principals.byId(id);
    return record?.kind === 'user' ? record : null;
  }

  /** A user, robot or workload by name. */
  byName(name: string): Promise<PrincipalRecord | null> {
    return this.#principals.byName(name);
  }

  list(query: Omit<PrincipalQuery, 'kind' | 'nodeId'>): Promise<PrincipalRecord[]> {
    return this.#principals.list({ ...query, kind: 'user' });
  }

  /**
   * Changes what is given. A new password, disabling and the end of administration end the user's tokens.
   *
   * @throws AccessError principal-unknown, password-invalid, last-admin
   */
  async update(by: AuditActor, id: string, change: UserChange): Promise<PrincipalRecord> {
    await this.#existing(id);
    const { password, ...rest } = change;
    if (password !== undefined) checkNewPassword(password);
    const record = await this.#principals.update(id, {
      ...rest,
      ...(password === undefined ? {} : { passwordHash: await this.#passwords.hash(password) }),
    });
    await this.#record(by, 'user.update', record.name, {
      ...rest,
      ...(password === undefined ? {} : { password: 'changed' }),
    });
    return record;
  }

  /** @throws AccessError principal-unknown, last-admin */
  async delete(by: AuditActor, id: string): Promise<void> {
    const record = await this.#existing(id);
    await this.#principals.delete(id);
    await this.#record(by, 'user.delete', record.name, {});
  }

  async #existing(id: string): Promise<PrincipalRecord> {
    const record = await this.get(id);
    if (record === null) throw new AccessError('principal-unknown', 'there is no such user');
    return record;
  }

  #record(by: AuditActor, action: string, resource: string, detail: Record<string, unknown>): Promise<void> {
    return this.#audit.record({ ...by, action, resource, decision: 'allowed', detail });
  }
}
