import type { CiBindingRecord } from '@sluice/database';
import type { BindingConditions } from '@sluice/domain/access';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { label, node, role } from './principal.schemas.ts';

const patterns = z.array(label.min(1)).min(1).max(50).optional();

export const createBindingBody = z.strictObject({
  node,
  /** May be left out where exactly one GitLab is configured. */
  issuer: z.string().min(1).max(255).optional(),
  gitlabProjectId: z.union([
    z.int().positive().transform(String),
    z.string().regex(/^[1-9][0-9]{0,17}$/, 'expected the number of the GitLab project'),
  ]),
  /** For people to read; the number is what counts. */
  gitlabProjectPath: label.min(1),
  role: role.default('developer'),
  conditions: z
    .strictObject({
      refProtected: z.boolean().optional(),
      refType: z.enum(['branch', 'tag']).optional(),
      refs: patterns,
      environments: patterns,
      pipelineSources: patterns,
    })
    .default({}),
});
export const listBindingsQuery = z.strictObject({ ...pageParameters, node });
/** Ids are the sort key of bindings. */
export const bindingCursor = z.uuid();

export interface BindingView {
  readonly id: string;
  readonly node: string;
  readonly issuer: string;
  readonly gitlabProjectId: string;
  readonly gitlabProjectPath: string;
  readonly role: string;
  readonly conditions: BindingConditions;
  readonly workloadId: string;
  readonly createdAt: string;
}

export function presentBinding(binding: CiBindingRecord): BindingView {
  return {
    id: encodeId('binding', binding.id),
    node: binding.nodePath,
    issuer: binding.issuer,
    gitlabProjectId: binding.gitlabProjectId,
    gitlabProjectPath: binding.gitlabProjectPath,
    role: binding.role,
    conditions: binding.conditions,
    workloadId: encodeId('workload', binding.principalId),
    createdAt: binding.createdAt.toISOString(),
  };
}
