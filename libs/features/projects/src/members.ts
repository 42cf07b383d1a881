import type { AuditActor, AuditLog, GrantQuery, GrantRecord, GrantStore } from '@sluice/database';
import {
  AccessError,
  assertGrantable,
  assertMayHandle,
  type Grantee,
  type NodeContext,
  type Role,
} from '@sluice/domain/access';

export interface NewMember {
  readonly node: NodeContext;
  readonly principal: Grantee & { readonly id: string };
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
   * @throws AccessError denied when the new or the old role is above the granter's; role-invalid when the principal
   *   cannot have it there; expiry-invalid
   */
  async put(by: AuditActor, granterRole: Role, member: NewMember, now: Date): Promise<GrantRecord> {
    const { node, principal, role, expiresAt } = member;
    assertGrantable(granterRole, role, principal, node);
    if (expiresAt !== null && expiresAt.getTime() <= now.getTime()) {
      throw new AccessError(
        'expiry-invalid',
        'the grant would have ended already: give a time in the future',
      );
    }
    const grant = await this.#grants.put(
      { nodeId: node.id, principalId: principal.id, role, source: 'local', expiresAt },
      (before) => assertMayHandle(granterRole, before.role),
    );
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

function unknown(): AccessError {
  return new AccessError('grant-unknown', 'there is no such grant');
}
