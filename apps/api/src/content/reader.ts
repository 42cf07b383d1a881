import type { CatalogReader } from '@sluice/database';
import { type Caller, readableNodes, scopesCover } from '@sluice/domain/access';
import { isAdministrator } from '../access/request-context.ts';

/** Which repositories a caller gets to see in lists. */
export function catalogReaderOf(caller: Caller): CatalogReader {
  const { principal } = caller;
  if (isAdministrator(caller)) return { kind: 'all' };
  const id = principal.kind === 'anonymous' ? null : principal.id;
  const nodeIds = readableNodes(caller.grants ?? [], new Date());
  // As in the decision: what is internal is for signed-in people and robots, not for CI jobs.
  return { kind: 'principal', id, internal: id !== null && principal.kind !== 'workload', nodeIds };
}

/** True when the credential's own limits, if it has any, let it read this repository. */
export function scopesAllow(caller: Caller, repository: string): boolean {
  const scopes = caller.scopes ?? null;
  return scopes === null || scopesCover(scopes, 'repository.read', { path: repository, repository });
}
