import type { DenialRecord } from '@sluice/database';
import type { ChainLink } from '@sluice/domain/audit';
import { isDigest } from '@sluice/domain/oci';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { searchWord, timestamp } from '../http/validation.ts';

const word = searchWord();

export const listDenialsQuery = z.strictObject({
  ...pageParameters,
  repository: word.optional(),
  /** Path of a group or project. */
  node: word.optional(),
  digest: z.string().refine(isDigest, 'expected sha256:<64 hex> or sha512:<128 hex>').optional(),
  rule: word.optional(),
  since: timestamp.optional(),
  until: timestamp.optional(),
});

export const listAuditEventsQuery = z.strictObject({
  ...pageParameters,
  actor: searchWord(400).optional(),
  action: word.optional(),
  resource: searchWord(512).optional(),
  /** The resource itself and what lies below it. */
  under: word.optional(),
  decision: z.enum(['allowed', 'denied'], { error: 'expected allowed or denied' }).optional(),
  since: timestamp.optional(),
  until: timestamp.optional(),
});
/** Audit events are numbered. */
export const auditCursor = z.string().regex(/^\d{1,15}$/);

export interface DenialView {
  readonly id: string;
  readonly at: string;
  readonly principal: { readonly name: string };
  readonly repository: string;
  /** What was asked for: a tag or a digest. */
  readonly reference: string;
  readonly digest: string | null;
  readonly rule: string;
  readonly reason: string;
  readonly verdict: { readonly id: string; readonly url: string } | null;
  readonly clientAddress: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

export function presentDenial(denial: DenialRecord, publicUrl: string): DenialView {
  const verdictId = denial.verdictId === null ? null : encodeId('verdict', denial.verdictId);
  return {
    id: encodeId('denial', denial.id),
    at: denial.at.toISOString(),
    principal: { name: denial.principalName },
    repository: denial.repository,
    reference: denial.reference,
    digest: denial.digest,
    rule: denial.rule,
    reason: denial.reason,
    verdict: verdictId === null ? null : { id: verdictId, url: `${publicUrl}/api/v1/verdicts/${verdictId}` },
    clientAddress: denial.clientAddress,
    userAgent: denial.userAgent,
    requestId: denial.requestId,
  };
}

export interface AuditEventView {
  readonly id: string;
  /** Place in the chain, from 1 without gaps. */
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly tokenId: string | null;
  readonly clientAddress: string | null;
  readonly action: string;
  readonly resource: string;
  readonly decision: string;
  readonly policyVersion: string | null;
  readonly detail: unknown;
  readonly requestId: string | null;
  /** SHA-256 over the event and the hash of the one before. */
  readonly hash: string;
}

export function presentAuditEvent({ event, hash }: ChainLink): AuditEventView {
  return { ...event, id: encodeId('audit', event.id), hash };
}
