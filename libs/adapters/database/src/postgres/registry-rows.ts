import { type Digest, OciError, type RepositoryName } from '@sluice/domain/oci';
import { newId } from '../ids.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { DOMAIN_OF_NODE } from './key-domains.ts';
import { writeEvent } from './outbox-writer.ts';
import { queryRows } from './sql.ts';

/**
 * Steps that the transactions of the data plane share.
 *
 * All of them take locks in this order: the repository, blobs in the order of their ids, manifests, tags in the order
 * of their names. The repository is locked `shared` by whoever adds content that something else may already wait for
 * (a blob, a manifest), and `exclusive` by whoever looks for such content and records that it is missing, so that
 * neither overlooks the other.
 */

export interface RepositoryRow {
  readonly id: string;
  readonly name: RepositoryName;
  readonly projectId: string;
}

export type RepositoryLock = 'shared' | 'exclusive';

export async function findRepository(
  runner: StatementRunner,
  name: RepositoryName,
  lock?: RepositoryLock,
): Promise<RepositoryRow | null> {
  const suffix = lock === undefined ? '' : lock === 'shared' ? 'FOR SHARE' : 'FOR NO KEY UPDATE';
  const rows = await queryRows<{ id: string; project_id: string }>(
    runner,
    `SELECT id, project_id FROM repository WHERE name = $1 ${suffix}`,
    [name],
  );
  const row = rows[0];
  return row === undefined ? null : { id: row.id, name, projectId: row.project_id };
}

/**
 * Finds the repository, or makes it in the project whose path is the longest beginning of its name.
 *
 * @throws OciError NAME_UNKNOWN when there is no such project
 */
export async function ensureRepository(
  runner: StatementRunner,
  name: RepositoryName,
  lock?: RepositoryLock,
): Promise<RepositoryRow> {
  const existing = await findRepository(runner, name, lock);
  if (existing !== null) return existing;
  const components = name.split('/');
  const paths = components.map((_, index) => components.slice(0, index + 1).join('/'));
  const [project] = await queryRows<{ id: string }>(
    runner,
    `SELECT id FROM node WHERE kind = 'project' AND path = ANY ($1) ORDER BY length(path) DESC LIMIT 1`,
    [paths],
  );
  if (project === undefined) {
    throw new OciError(
      'NAME_UNKNOWN',
      `no project owns "${name}": create one whose path is ${paths.join(' or ')}`,
    );
  }
  const id = newId();
  await runner.query(
    `INSERT INTO repository (id, project_id, name, key_domain)
     SELECT $1, n.id, $3, ${DOMAIN_OF_NODE} FROM node n WHERE n.id = $2 ON CONFLICT (name) DO NOTHING`,
    [id, project.id, name],
  );
  // The insert waits for whoever is giving the project a key domain, but looked at it before.
  await runner.query(
    `UPDATE repository r SET key_domain = ${DOMAIN_OF_NODE} FROM node n
     WHERE r.id = $1 AND n.id = r.project_id AND r.key_domain <> ${DOMAIN_OF_NODE}`,
    [id],
  );
  const made = await findRepository(runner, name, lock);
  if (made === null)
    throw new OciError('NAME_UNKNOWN', `the repository "${name}" is being deleted: push again`);
  return made;
}

/**
 * Makes a blob available in a repository, and joins it to the manifests that came before it. Whoever reads manifests
 * on arrival is told again of those that have all their blobs now.
 */
export async function linkBlob(
  runner: StatementRunner,
  repositoryId: string,
  blob: { readonly id: string; readonly digest: Digest },
  leaseSeconds: number,
): Promise<void> {
  await runner.query(
    'INSERT INTO repository_blob (repository_id, blob_id) VALUES ($1, $2) ON CONFLICT DO NOTHING',
    [repositoryId, blob.id],
  );
  const joined = await queryRows<{ manifest_id: string }>(
    runner,
    `WITH late AS (
       DELETE FROM manifest_missing_blob WHERE repository_id = $1 AND digest = $2
       RETURNING manifest_id, position, role)
     INSERT INTO manifest_blob (manifest_id, position, role, blob_id, repository_id)
     SELECT manifest_id, position, role, $3, $1 FROM late RETURNING manifest_id`,
    [repositoryId, blob.digest, blob.id],
  );
  if (joined.length > 0) await announceComplete(runner, [...new Set(joined.map((row) => row.manifest_id))]);
  await extendLeases(runner, [blob.id], leaseSeconds);
}

async function announceComplete(runner: StatementRunner, manifestIds: readonly string[]): Promise<void> {
  const complete = await queryRows<{
    id: string;
    repository_id: string;
    name: string;
    project_id: string;
    digest: string;
    kind: string;
    media_type: string;
    subject_digest: string | null;
  }>(
    runner,
    `SELECT m.id, m.repository_id, r.name, r.project_id, m.digest, m.kind, m.media_type, m.subject_digest
     FROM manifest m JOIN repository r ON r.id = m.repository_id
     WHERE m.id = ANY ($1) AND NOT EXISTS (SELECT 1 FROM manifest_missing_blob x WHERE x.manifest_id = m.id)`,
    [manifestIds],
  );
  for (const row of complete) {
    await writeEvent(runner, 'artifact.pushed', `${row.name}@${row.digest}`, {
      manifestId: row.id,
      repositoryId: row.repository_id,
      repository: row.name,
      projectId: row.project_id,
      digest: row.digest,
      kind: row.kind,
      mediaType: row.media_type,
      subjectDigest: row.subject_digest,
      tags: [],
    });
  }
}

/** Leases that end later stay as they are. */
export async function extendLeases(
  runner: StatementRunner,
  blobIds: readonly string[],
  seconds: number,
): Promise<void> {
  await runner.query(
    `INSERT INTO lease (blob_id, expires_at)
     SELECT id, now() + make_interval(secs => $2) FROM unnest($1::uuid[]) AS id ORDER BY id
     ON CONFLICT (blob_id) DO UPDATE SET expires_at = greatest(lease.expires_at, EXCLUDED.expires_at)`,
    [blobIds, seconds],
  );
}
