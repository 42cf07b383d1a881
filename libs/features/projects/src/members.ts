import type { AuditActor, AuditLog, GrantQuery, GrantRecord, GrantStore } from '@sluice/database';
import { AccessError, lesserRole, type Role } from '@sluice/domain/access';

export interface NewMember {
  readonly nodeId: string;
  readonly principalId: string;
  readonly role: Role;
  readonly expiresAt: Date | null;
}

/** Local grants: who has which role on a group or project. */
export class Members {
  readonly #grants: GrantStore;
  readonly #audit: AuditLog;

  constructor(grants: GrantStore, audit: AuditLog) {
    this.#grants = grants;
    this.#audit = audit;
  }

  /**
   * Gives a principal a role on a node, in place of the one it had there.
   *
   * @param granterRole the greatest role of whoever grants on that node; `owner` for an administrator
   * @throws AccessError denied when the role is above the granter's, or takes from somebody who is;
   *   principal-unknown, node-unknown, expiry-invalid
   */
  async put(by: AuditActor, granterRole: Role, member: NewMember, now: Date): Promise<GrantRecord> {
    assertMayHandle(granterRole, member.role);
    if (member.expiresAt !== null && member.expiresAt.getTime() <= now.getTime()) {
      throw new AccessError(
        'expiry-invalid',
        'the grant would have ended already: give a time in the future',
      );
    }
    const grant = await this.#grants.put({ ...member, source: 'local' }, (before) => {
      assertMayHandle(granterRole, before.role);
    });
    await this.#audit.record({
      ...by,
      action: 'grant.put',
      resource: grant.nodePath,
      decision: 'allowed',
      detail: { principal: grant.principalName, role: grant.role, expiresAt: grant.expiresAt },
    });
    return grant;
  }

  list(query: GrantQuery): Promise<GrantRecord[]> {
    return this.#grants.list(query);
  }

  get(id: string): Promise<GrantRecord | null> {
    return this.#grants.get(id);
  }

  /** @throws AccessError grant-unknown, denied */
  async remove(by: AuditActor, granterRole: Role, id: string): Promise<void> {
    const grant = await this.#grants.get(id);
    if (grant === null) throw unknown();
    assertMayHandle(granterRole, grant.role);
    if (!(await this.#grants.remove(id))) throw unknown();
    await this.#audit.record({
      ...by,
      action: 'grant.remove',
      resource: grant.nodePath,
      decision: 'allowed',
      detail: { principal: grant.principalName, role: grant.role, source: grant.source },
    });
  }
}

/** Nobody gives more than they have, nor takes from somebody who stands above them. */
function assertMayHandle(granterRole: Role, role: Role): void {
  if (lesserRole(granterRole, role) === role) return;
  throw new AccessError('denied', `a ${granterRole} can neither give nor take the role ${role}`);
}

function unknown(): AccessError {
  return new AccessError('grant-unknown', 'there is no such grant');
}
