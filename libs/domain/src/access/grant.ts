import { type Role, roleAtLeast } from './role.ts';

/**
 * A role of a principal on a node; it holds for everything below the node.
 *
 * `source` tells who gave it: `local` (somebody here), `gitlab:group:<id>`, `gitlab:project:<id>`, or
 * `ci:<GitLab project id>` for what a CI binding gives to a job.
 */
export interface Grant {
  readonly principalId: string;
  readonly nodeId: string;
  readonly role: Role;
  readonly source: string;
  /** The first instant at which it no longer holds; null when it does not end. */
  readonly expiresAt: Date | null;
}

/** The nodes below which these grants let their holder read what is stored. A guest sees the node alone. */
export function readableNodes(grants: readonly Grant[], now: Date): string[] {
  return grants
    .filter(({ role, expiresAt }) => roleAtLeast(role, 'reporter') && (expiresAt === null || expiresAt > now))
    .map(({ nodeId }) => nodeId);
}

/** Words for a grant's source, as they stand in explanations. */
export function describeSource(source: string): string {
  const [system, kind, id] = source.split(':');
  if (system === 'local') return 'by a local grant';
  if (system === 'gitlab' && kind !== undefined && id !== undefined) return `by GitLab ${kind} ${id}`;
  if (system === 'ci' && kind !== undefined) return `by the CI binding of GitLab project ${kind}`;
  return `by ${source}`;
}
