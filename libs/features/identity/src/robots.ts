import type {
  AuditActor,
  AuditLog,
  GrantStore,
  PrincipalQuery,
  PrincipalRecord,
  PrincipalStore,
  SecretRecord,
  SecretStore,
} from '@sluice/database';
import {
  AccessError,
  assertMachineRole,
  assertMayHandle,
  formatAccessScope,
  parseAccessScope,
  parseRobotShortName,
  robotName,
  type Role,
} from '@sluice/domain/access';
import { secretExpiry } from './secret-expiry.ts';
import type { SecretHasher } from './secret-hasher.ts';

/** Two, so that a new secret can be rolled out before the old one ends. */
const LIVE_SECRETS = 2;
const DEFAULT_DAYS = 365;

export interface NewRobot {
  readonly node: { readonly id: string; readonly path: string };
  /** Its short name; the user name is `robot$<path>+<name>`. */
  readonly name: string;
  readonly role: Role;
  readonly displayName?: string;
  /** What its first secret is limited to; absent: all that its role gives. */
  readonly scopes?: readonly string[];
  /** When the robot itself ends; null for never. Its secrets end in a year at the latest. */
  readonly expiresAt: Date | null;
}

export interface IssuedSecret {
  readonly record: SecretRecord;
  readonly token: string;
}

/** Robots of projects and groups: accounts of machines, with a role and up to two secrets. */
export class Robots {
  readonly #principals: PrincipalStore;
  readonly #grants: GrantStore;
  readonly #secrets: SecretStore;
  readonly #hasher: SecretHasher;
  readonly #audit: AuditLog;
  readonly #now: () => Date;

  constructor(
    stores: { principals: PrincipalStore; grants: GrantStore; secrets: SecretStore },
    hasher: SecretHasher,
    audit: AuditLog,
    now: () => Date = () => new Date(),
  ) {
    this.#principals = stores.principals;
    this.#grants = stores.grants;
    this.#secrets = stores.secrets;
    this.#hasher = hasher;
    this.#audit = audit;
    this.#now = now;
  }

  /**
   * Makes a robot with its role and its first secret.
   *
   * @param granterRole the greatest role of whoever makes it on the node; `owner` for an administrator
   * @throws AccessError name-invalid, name-taken, role-invalid, denied, scope-invalid, expiry-invalid
   */
  async create(
    by: AuditActor,
    granterRole: Role,
    robot: NewRobot,
  ): Promise<{ robot: PrincipalRecord; secret: IssuedSecret }> {
    const name = robotName(robot.node.path, parseRobotShortName(robot.name));
    assertMachineRole(robot.role);
    assertMayHandle(granterRole, robot.role);
    const scopes = parseScopes(robot.scopes ?? ['*']);
    if (robot.expiresAt !== null && robot.expiresAt <= this.#now()) {
      throw new AccessError(
        'expiry-invalid',
        'the robot would have ended already: give a time in the future',
      );
    }
    const record = await this.#principals.create({
      kind: 'robot',
      name,
      displayName: robot.displayName ?? '',
      nodeId: robot.node.id,
      expiresAt: robot.expiresAt,
    });
    await this.#grants.put({
      principalId: record.id,
      nodeId: robot.node.id,
      role: robot.role,
      source: 'local',
      expiresAt: null,
    });
    await this.#record(by, 'robot.create', name, { role: robot.role, expiresAt: robot.expiresAt });
    return { robot: record, secret: await this.#issue(by, record, scopes, undefined) };
  }

  list(query: { nodeId: string } & Pick<PrincipalQuery, 'after' | 'limit'>): Promise<PrincipalRecord[]> {
    return this.#principals.list({ ...query, kind: 'robot' });
  }

  /** Null for anything but a robot. */
  async get(id: string): Promise<PrincipalRecord | null> {
    const record = await this.#principals.byId(id);
    return record?.kind === 'robot' ? record : null;
  }

  /**
   * Disables or enables a robot, or changes when it ends.
   *
   * @throws AccessError principal-unknown
   */
  async update(
    by: AuditActor,
    id: string,
    change: { disabled?: boolean; displayName?: string; expiresAt?: Date | null },
  ): Promise<PrincipalRecord> {
    await this.#existing(id);
    const record = await this.#principals.update(id, change);
    await this.#record(by, 'robot.update', record.name, change);
    return record;
  }

  /** @throws AccessError principal-unknown */
  async delete(by: AuditActor, id: string): Promise<void> {
    const record = await this.#existing(id);
    await this.#principals.delete(id);
    await this.#record(by, 'robot.delete', record.name, {});
  }

  listSecrets(id: string): Promise<SecretRecord[]> {
    return this.#secrets.list({ principalId: id, kind: 'robot', after: null, limit: 100 });
  }

  /**
   * Issues another secret beside the present one. It is limited like the newest, unless said.
   *
   * @throws AccessError principal-unknown, limit-reached when two are alive, scope-invalid, expiry-invalid
   */
  async rotate(
    by: AuditActor,
    id: string,
    wanted: { scopes?: readonly string[]; expiresAt?: Date },
  ): Promise<IssuedSecret> {
    const robot = await this.#existing(id);
    const newest = (await this.listSecrets(id))[0];
    const scopes = parseScopes(wanted.scopes ?? newest?.scopes ?? ['*']);
    return this.#issue(by, robot, scopes, wanted.expiresAt);
  }

  /** @throws AccessError secret-unknown when it is none of this robot's */
  async revokeSecret(by: AuditActor, id: string, secretId: string): Promise<void> {
    const robot = await this.#existing(id);
    const secret = await this.#secrets.get(secretId);
    if (secret?.principalId !== id || secret.kind !== 'robot') {
      throw new AccessError('secret-unknown', 'there is no such secret of this robot');
    }
    if (!(await this.#secrets.revoke(secretId))) return;
    await this.#record(by, 'robot.secret.revoke', robot.name, { secretId });
  }

  async #issue(
    by: AuditActor,
    robot: PrincipalRecord,
    scopes: readonly string[],
    wantedExpiry: Date | undefined,
  ): Promise<IssuedSecret> {
    const expiresAt = secretExpiry(wantedExpiry, DEFAULT_DAYS, this.#now());
    const { token, hash } = this.#hasher.generate('robot');
    const name = `secret of ${expiresAt.toISOString().slice(0, 10)}`;
    const record = await this.#secrets.create(
      { principalId: robot.id, kind: 'robot', name, hash, scopes, expiresAt },
      LIVE_SECRETS,
    );
    await this.#record(by, 'robot.secret.create', robot.name, { secretId: record.id, scopes, expiresAt });
    return { record, token };
  }

  async #existing(id: string): Promise<PrincipalRecord> {
    const record = await this.get(id);
    if (record === null) throw new AccessError('principal-unknown', 'there is no such robot');
    return record;
  }

  #record(by: AuditActor, action: string, resource: string, detail: Record<string, unknown>): Promise<void> {
    return this.#audit.record({ ...by, action, resource, decision: 'allowed', detail });
  }
}

function parseScopes(scopes: readonly string[]): string[] {
  return scopes.map((scope) => formatAccessScope(parseAccessScope(scope)));
}
