import type { PrincipalRecord } from '@sluice/database';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { timestamp } from '../http/validation.ts';
import { label, node, role } from './principal.schemas.ts';
import { scopes } from './tokens.schemas.ts';

export const createRobotBody = z.strictObject({
  node,
  name: z.string().min(1).max(64),
  role: role.default('reporter'),
  displayName: label.optional(),
  scopes: scopes.optional(),
  expiresAt: timestamp.nullable().default(null),
});
export const updateRobotBody = z.strictObject({
  displayName: label.optional(),
  disabled: z.boolean().optional(),
  expiresAt: timestamp.nullable().optional(),
});
export const createSecretBody = z.strictObject({
  scopes: scopes.optional(),
  expiresAt: timestamp.optional(),
});
export const listRobotsQuery = z.strictObject({ ...pageParameters, node });

export interface RobotView {
  readonly id: string;
  /** The user name to log in with. */
  readonly name: string;
  readonly displayName: string;
  readonly disabledAt: string | null;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

export function presentRobot(record: PrincipalRecord): RobotView {
  return {
    id: encodeId('robot', record.id),
    name: record.name,
    displayName: record.displayName,
    disabledAt: record.disabledAt?.toISOString() ?? null,
    expiresAt: record.expiresAt?.toISOString() ?? null,
    createdAt: record.createdAt.toISOString(),
  };
}
