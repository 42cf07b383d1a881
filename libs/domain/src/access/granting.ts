import { AccessError } from './errors.ts';
import type { NodeContext } from './node.ts';
import { lesserRole, type Role } from './role.ts';

/** Whoever is to get a role. */
export interface Grantee {
  readonly kind: 'user' | 'robot' | 'workload';
  readonly name: string;
  /** The node that owns a robot, null for others. */
  readonly nodeId: string | null;
}

/** Machines never own anything: an owner can take away everybody's rights, and that is for people. */
export const MACHINE_ROLE_MAX: Role = 'maintainer';

/**
 * Refuses a role that must not be given or taken by this granter.
 *
 * Nobody handles a role above their own. A robot has roles on its own node and below only: whoever manages its node
 * can issue its secrets, and would otherwise win what others gave it elsewhere. A workload has what its bindings give.
 *
 * @throws AccessError denied, role-invalid
 */
export function assertGrantable(granterRole: Role, role: Role, grantee: Grantee, node: NodeContext): void {
  assertMayHandle(granterRole, role);
  switch (grantee.kind) {
    case 'user':
      return;
    case 'robot':
      assertMachineRole(role);
      if (node.lineage.some((each) => each.id === grantee.nodeId)) return;
      throw new AccessError(
        'role-invalid',
        `${grantee.name} can have roles on its own node and below it only, which ${node.path} is not`,
      );
    case 'workload':
      throw new AccessError(
        'role-invalid',
        'a CI job has the role of its binding: make a CI binding instead',
      );
  }
}

/** @throws AccessError denied */
export function assertMayHandle(granterRole: Role, role: Role): void {
  if (lesserRole(granterRole, role) === role) return;
  throw new AccessError('denied', `a ${granterRole} can neither give nor take the role ${role}`);
}

/** @throws AccessError role-invalid */
export function assertMachineRole(role: Role): void {
  if (lesserRole(role, MACHINE_ROLE_MAX) === role) return;
  throw new AccessError('role-invalid', `robots and CI jobs can be at most ${MACHINE_ROLE_MAX}, not ${role}`);
}
