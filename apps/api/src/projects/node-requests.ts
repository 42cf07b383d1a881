import type { NodeReader } from '@sluice/database';
import { type Caller, scopesCover } from '@sluice/domain/access';
import type { Projects } from '@sluice/projects';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Authorizer } from '../access/authorizer.ts';
import { isAdministrator } from '../access/request-context.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { type listNodesQuery, nodeCursor, type NodeView, presentNode } from './node.schemas.ts';

/** A new node needs rights on the deepest group that exists above it; at the top only administrators create. */
export async function requireCreation(authorizer: Authorizer, caller: Caller, path: string): Promise<void> {
  if (await authorizer.allows(caller, 'admin.nodes', null)) return;
  await authorizer.require(caller, 'node.create', { nearest: path });
}

export async function listNodes(
  projects: Projects,
  kind: 'group' | 'project',
  query: z.output<typeof listNodesQuery>,
  caller: Caller,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Page<NodeView>> {
  const { under, path } = query;
  const result = await page(query, {
    fetch: (after, limit) =>
      projects.list({
        kind,
        reader: readerOf(caller),
        after,
        limit,
        ...(under === undefined ? {} : { under }),
        ...(path === undefined ? {} : { path }),
      }),
    keyOf: (node) => node.path,
    cursor: nodeCursor,
    present: presentNode,
  });
  linkNext(request, reply, result.page.next);
  return { ...result, items: result.items.filter((node) => scopesAllow(caller, node.path)) };
}

/** True when the credential's own limits, if it has any, let it see this node. */
function scopesAllow({ scopes = null }: Caller, path: string): boolean {
  return scopes === null || scopesCover(scopes, 'project.read', { path, repository: null });
}

export function readerOf(caller: Caller): NodeReader {
  const { principal } = caller;
  if (isAdministrator(caller)) return { kind: 'all' };
  const nodeIds = (caller.grants ?? []).map((grant) => grant.nodeId);
  if (principal.kind === 'anonymous') return { kind: 'principal', id: null, internal: false, nodeIds };
  return { kind: 'principal', id: principal.id, internal: principal.kind !== 'workload', nodeIds };
}
