import type { CatalogReader } from '@sluice/database';
import { type Caller, readableNodes, scopesCover } from '@sluice/domain/access';

/**
 * What the caller's principal may see of all repositories, whatever a token was asked for: a token for the catalog, or
 * for a push that mounts, names no other repository.
 */
export function catalogReader({ principal, grants }: Caller): CatalogReader {
  if (principal.kind === 'user' && principal.isAdmin) return { kind: 'all' };
  return {
    kind: 'principal',
    id: principal.kind === 'anonymous' ? null : principal.id,
    internal: principal.kind === 'user' || principal.kind === 'robot',
    nodeIds: readableNodes(grants ?? [], new Date()),
  };
}

/** Whether the secret behind the caller's credential reaches a repository that {@link catalogReader} finds. */
export function withinScopes({ access, scopes, secretScopes }: Caller, repository: string): boolean {
  const limits = (access === null ? scopes : secretScopes) ?? null;
  return limits === null || scopesCover(limits, 'repository.read', { path: repository, repository });
}
