import type { NodeRecord } from '@sluice/database';
import { VISIBILITIES } from '@sluice/domain/access';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { label } from '../identity/principal.schemas.ts';

const visibility = z.enum(VISIBILITIES, { error: `expected one of ${VISIBILITIES.join(', ')}` });
const path = z
  .string({ error: 'expected a path such as team/app' })
  .min(1, 'expected a path such as team/app');

export const createNodeBody = z.strictObject({ path, visibility: visibility.default('private') });
export const updateNodeBody = z.strictObject({ visibility });
export const updateProjectBody = z
  .strictObject({
    visibility: visibility.optional(),
    /** Whether an image may be pushed before its blobs. */
    missingBlobs: z
      .enum(['refuse', 'accept'], {
        error: 'expected "refuse" or "accept": manifests that name missing blobs',
      })
      .optional(),
    /** Where clients get blobs from. */
    blobDownloads: z
      .enum(['proxy', 'redirect'], {
        error: 'expected "proxy" (from Sluice) or "redirect" (from the object store)',
      })
      .optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'expected at least one of visibility, missingBlobs, blobDownloads',
  });
export const listNodesQuery = z.strictObject({
  ...pageParameters,
  /** Only what lies below this group. */
  under: label.min(1).optional(),
  /** Exactly this one. */
  path: label.min(1).optional(),
});
/** Paths are the sort key of nodes. */
export const nodeCursor = label.min(1);

export interface NodeView {
  readonly id: string;
  readonly path: string;
  readonly visibility: string;
  /** Of projects only. */
  readonly missingBlobs?: string;
  readonly blobDownloads?: string;
  readonly parentId: string | null;
  readonly createdAt: string;
}

export function presentNode(node: NodeRecord): NodeView {
  return {
    id: encodeId(node.kind, node.id),
    path: node.path,
    visibility: node.visibility,
    ...(node.kind === 'project'
      ? { missingBlobs: node.missingBlobs, blobDownloads: node.blobDownloads }
      : {}),
    // Only groups have nodes below them.
    parentId: node.parentId === null ? null : encodeId('group', node.parentId),
    createdAt: node.createdAt.toISOString(),
  };
}
