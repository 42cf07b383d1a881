/** Ascending: every role may do what the ones before it may. The names and their order are GitLab's. */
export const ROLES = ['guest', 'reporter', 'developer', 'maintainer', 'owner'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** Negative when `a` is the lesser role, zero when equal, positive when `a` is the greater. */
export function compareRoles(a: Role, b: Role): number {
  return ROLES.indexOf(a) - ROLES.indexOf(b);
}

export function roleAtLeast(role: Role, minimum: Role): boolean {
  return compareRoles(role, minimum) >= 0;
}

export function lesserRole(a: Role, b: Role): Role {
  return compareRoles(a, b) <= 0 ? a : b;
}

/** Null when there is no role at all. */
export function greatestRole(roles: Iterable<Role>): Role | null {
  let greatest: Role | null = null;
  for (const role of roles) {
    if (greatest === null || compareRoles(role, greatest) > 0) greatest = role;
  }
  return greatest;
}
