import type { GrantRecord } from '@sluice/database';
import { describeSource } from '@sluice/domain/access';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { queryBoolean, timestamp } from '../http/validation.ts';
import { node, principalName, role } from '../identity/principal.schemas.ts';

export const putGrantBody = z.strictObject({
  node,
  /** User name of a user, or `robot$…` of a robot. */
  principal: principalName,
  role,
  expiresAt: timestamp.nullable().default(null),
});
export const listGrantsQuery = z.strictObject({
  ...pageParameters,
  node,
  /** Also what the groups above give. */
  inherited: queryBoolean.default(false),
});
/** Ids are the sort key of grants. */
export const grantCursor = z.uuid();

export interface GrantView {
  readonly id: string;
  /** Path of the node that the role is on; everything below it is covered too. */
  readonly node: string;
  readonly principal: { readonly id: string; readonly kind: string; readonly name: string };
  readonly role: string;
  readonly source: string;
  readonly sourceDescription: string;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

export function presentGrant(grant: GrantRecord): GrantView {
  return {
    id: encodeId('grant', grant.id),
    node: grant.nodePath,
    principal: {
      id: encodeId(grant.principalKind, grant.principalId),
      kind: grant.principalKind,
      name: grant.principalName,
    },
    role: grant.role,
    source: grant.source,
    sourceDescription: describeSource(grant.source),
    expiresAt: grant.expiresAt?.toISOString() ?? null,
    createdAt: grant.createdAt.toISOString(),
  };
}
