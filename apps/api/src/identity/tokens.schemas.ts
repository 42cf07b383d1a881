import type { SecretRecord } from '@sluice/database';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { timestamp } from '../http/validation.ts';
import { label } from './principal.schemas.ts';

export const scopes = z.array(z.string().min(1).max(300)).min(1).max(50);

export const createTokenBody = z.strictObject({
  name: label.min(1),
  scopes: scopes.optional(),
  expiresAt: timestamp.optional(),
});
export const listTokensQuery = z.strictObject(pageParameters);
/** Ids are the sort key of secrets. */
export const secretCursor = z.uuid();

export interface SecretView {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
  readonly createdAt: string;
}

export function presentSecret(kind: 'token' | 'secret', record: SecretRecord): SecretView {
  return {
    id: encodeId(kind, record.id),
    name: record.name,
    scopes: record.scopes,
    expiresAt: record.expiresAt?.toISOString() ?? null,
    revokedAt: record.revokedAt?.toISOString() ?? null,
    lastUsedAt: record.lastUsedAt?.toISOString() ?? null,
    createdAt: record.createdAt.toISOString(),
  };
}
