import type { PolicyRecord, PolicyVersion } from '@sluice/database';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { searchWord } from '../http/validation.ts';

export const applyPolicyBody = z.strictObject({
  /** Path or id of a group or project; null for the whole installation. */
  node: searchWord().nullable().default(null),
  /** YAML or JSON; the policy itself says what is wrong with it. */
  document: z.string({ error: 'expected the text of a policy document' }).max(262_144),
  /** The version that was changed, 0 for "there is none"; absent: whatever is there. */
  expectedVersion: z.int().min(0).optional(),
});

export const listPoliciesQuery = z.strictObject({ ...pageParameters, node: searchWord().optional() });

export interface AppliedPolicyView {
  readonly id: string;
  readonly node: string | null;
  readonly name: string;
  readonly version: number;
  /** False when the document was in force already. */
  readonly changed: boolean;
}

export interface PolicyView {
  readonly id: string;
  /** Path of the group or project; null for a policy of the whole installation. */
  readonly node: string | null;
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface FullPolicyView extends PolicyView {
  readonly document: unknown;
}

export interface PolicyVersionView {
  readonly version: number;
  readonly createdAt: string;
  readonly document: unknown;
}

export function presentPolicy(policy: PolicyRecord): PolicyView {
  return {
    id: encodeId('policy', policy.id),
    node: policy.nodePath,
    name: policy.name,
    version: policy.version,
    createdAt: policy.createdAt.toISOString(),
    updatedAt: policy.updatedAt.toISOString(),
  };
}

export function presentFullPolicy(policy: PolicyRecord): FullPolicyView {
  return { ...presentPolicy(policy), document: policy.document };
}

export function presentPolicyVersion({ version, createdAt, document }: PolicyVersion): PolicyVersionView {
  return { version, createdAt: createdAt.toISOString(), document };
}
