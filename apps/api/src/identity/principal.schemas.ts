import type { PrincipalRecord } from '@sluice/database';
import { PASSWORD_MAX, ROLES } from '@sluice/domain/access';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';

export const role = z.enum(ROLES, { error: `expected one of ${ROLES.join(', ')}` });
/** PostgreSQL cannot hold U+0000, and nobody wants control characters in a name. */
export const label = z
  .string()
  .max(255)
  .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed');
/** Path (`team/app`) or id (`prj_…`, `grp_…`) of a group or project. */
export const node = label.min(1, 'expected the path or id of a group or project');
/** User name of a principal; those of robots carry the path of their node. */
export const principalName = z
  .string()
  .min(1)
  .max(400)
  .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed');
const password = z.string().min(1).max(PASSWORD_MAX);
const displayName = label.optional();
const email = z.email().max(255).nullable().optional();

export const createUserBody = z.strictObject({
  name: z.string().min(1).max(255),
  password,
  displayName,
  email,
  isAdmin: z.boolean().optional(),
});
export const updateUserBody = z.strictObject({
  displayName,
  email,
  password: password.optional(),
  isAdmin: z.boolean().optional(),
  disabled: z.boolean().optional(),
});
export const changePasswordBody = z.strictObject({ currentPassword: password, newPassword: password });
export const listUsersQuery = z.strictObject(pageParameters);
/** Names are the sort key of principals. */
export const principalCursor = principalName;

export interface UserView {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly email: string | null;
  readonly isAdmin: boolean;
  readonly disabledAt: string | null;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

export function presentUser(record: PrincipalRecord): UserView {
  return {
    id: encodeId('user', record.id),
    name: record.name,
    displayName: record.displayName,
    email: record.email,
    isAdmin: record.isAdmin,
    disabledAt: record.disabledAt?.toISOString() ?? null,
    expiresAt: record.expiresAt?.toISOString() ?? null,
    createdAt: record.createdAt.toISOString(),
  };
}
