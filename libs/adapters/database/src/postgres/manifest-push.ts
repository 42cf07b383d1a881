import {
  type Descriptor,
  isNonDistributableLayer,
  OciError,
  type RepositoryName,
  type Tag,
} from '@sluice/domain/oci';
import { newId } from '../ids.ts';
import type { NewManifest, StoredPush } from '../ports/manifest-writes.ts';
import type { MissingBlobs } from '../ports/node-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { writeEvent } from './outbox-writer.ts';
import {
  ensureRepository,
  extendLeases,
  findRepository,
  type RepositoryLock,
  type RepositoryRow,
} from './registry-rows.ts';
import { NEVER_JUDGED } from './rules-revision.ts';
import { queryRows } from './sql.ts';
import type { Transaction } from './transaction.ts';

/** A config or layer of a manifest, in its place. */
interface BlobEdge {
  readonly position: number;
  readonly role: 'config' | 'layer';
  readonly descriptor: Descriptor;
}

const MISSING_NAMED_MAX = 5;

/**
 * Stores a manifest under its digest, points its tags at it and tells the world, and commits.
 *
 * @param onStored called when everything was said but the commit
 * @returns null when blobs are missing, so that the repository must be locked exclusively; nothing is stored then
 * @throws OciError NAME_UNKNOWN, MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN
 */
export async function storeManifest(
  transaction: Transaction,
  manifest: NewManifest,
  lock: RepositoryLock,
  onStored: () => void,
): Promise<StoredPush | null> {
  const edges = blobEdges(manifest);
  const { repository, blobs } = await lockContent(transaction, manifest.repository, lock, edges);
  const missing = edges.filter(({ descriptor }) => !blobs.has(descriptor.digest));
  checkSizes(edges, blobs);
  await checkMissing(transaction, repository.projectId, manifest, missing);
  if (missing.length > 0 && lock === 'shared') return null;

  const manifestId = await insertManifest(transaction, repository, manifest);
  const joinParents = transaction.query(
    `UPDATE manifest_child c SET child_id = $1 FROM manifest parent
     WHERE c.child_digest = $2 AND c.child_id IS NULL
       AND parent.id = c.parent_id AND parent.repository_id = $3`,
    [manifestId, manifest.digest, repository.id],
  );
  const awaitVerdict = transaction.query(
    `INSERT INTO verdict (manifest_id, id, state, rules_revision) VALUES ($1, $2, 'pending', $3)
     ON CONFLICT (manifest_id) DO NOTHING`,
    [manifestId, newId(), NEVER_JUDGED],
  );
  const stored = Promise.all([
    upsertTags(transaction, repository.id, manifestId, manifest.tags),
    insertBlobEdges(transaction, repository.id, manifestId, edges, blobs, missing),
    insertChildren(transaction, repository.id, manifestId, manifest),
    joinParents,
    awaitVerdict,
    extendLeases(
      transaction,
      [...blobs.values()].map(({ id }) => id),
      manifest.leaseSeconds,
    ),
    writeEvent(transaction, 'artifact.pushed', `${repository.name}@${manifest.digest}`, {
      manifestId,
      repositoryId: repository.id,
      repository: repository.name,
      projectId: repository.projectId,
      digest: manifest.digest,
      kind: manifest.kind,
      mediaType: manifest.manifest.mediaType,
      subjectDigest: manifest.manifest.subject?.digest ?? null,
      tags: [...manifest.tags],
    }),
  ]);
  onStored();
  const [movedTags] = await transaction.finish(stored);
  return { manifestId, movedTags };
}

function blobEdges({ manifest }: NewManifest): BlobEdge[] {
  if (manifest.form === 'index') return [];
  return [
    { position: 0, role: 'config', descriptor: manifest.config },
    ...manifest.layers.map((descriptor, index): BlobEdge => ({
      position: index + 1,
      role: 'layer',
      descriptor,
    })),
  ];
}

/** The repository, made if need be, and of the blobs of the manifest those that it has. */
async function lockContent(
  runner: StatementRunner,
  name: RepositoryName,
  lock: RepositoryLock,
  edges: readonly BlobEdge[],
): Promise<{ readonly repository: RepositoryRow; readonly blobs: LockedBlobs }> {
  const [repository, blobs] = await Promise.all([
    findRepository(runner, name, lock),
    lockBlobs(runner, name, edges),
  ]);
  if (repository !== null) return { repository, blobs };
  const made = await ensureRepository(runner, name, lock);
  // Somebody else may have made it meanwhile, and put something into it.
  return { repository: made, blobs: await lockBlobs(runner, name, edges) };
}

type LockedBlobs = ReadonlyMap<string, { readonly id: string; readonly sizeBytes: number }>;

/** The blobs that the repository links and that garbage collection cannot take until the transaction ends. */
async function lockBlobs(
  runner: StatementRunner,
  repository: RepositoryName,
  edges: readonly BlobEdge[],
): Promise<LockedBlobs> {
  const digests = [...new Set(edges.map(({ descriptor }) => descriptor.digest))];
  if (digests.length === 0) return new Map();
  const rows = await queryRows<{ id: string; digest: string; size: string }>(
    runner,
    `SELECT b.id, b.digest, b.size FROM blob b
     JOIN repository_blob rb ON rb.blob_id = b.id JOIN repository r ON r.id = rb.repository_id
     WHERE r.name = $1 AND b.digest = ANY ($2) AND b.state = 'live' ORDER BY b.id FOR KEY SHARE OF b`,
    [repository, digests],
  );
  return new Map(rows.map(({ id, digest, size }) => [digest, { id, sizeBytes: Number(size) }]));
}

function checkSizes(edges: readonly BlobEdge[], blobs: LockedBlobs): void {
  for (const { role, descriptor } of edges) {
    const actual = blobs.get(descriptor.digest)?.sizeBytes;
    if (actual !== undefined && actual !== descriptor.size) {
      throw new OciError(
        'MANIFEST_INVALID',
        `the manifest says that ${role} ${descriptor.digest} has ${descriptor.size} bytes; it has ${actual}`,
      );
    }
  }
}

/** Some clients push what has a subject before its blobs (`cosign load`); otherwise the project decides. */
async function checkMissing(
  runner: StatementRunner,
  projectId: string,
  { manifest }: NewManifest,
  missing: readonly BlobEdge[],
): Promise<void> {
  const needed = missing.filter(
    ({ role, descriptor }) => role === 'config' || !isNonDistributableLayer(descriptor.mediaType),
  );
  if (needed.length === 0 || manifest.subject !== null) return;
  const [project] = await queryRows<{ missing_blobs: MissingBlobs }>(
    runner,
    'SELECT missing_blobs FROM node WHERE id = $1',
    [projectId],
  );
  if (project?.missing_blobs === 'accept') return;
  const names = needed
    .slice(0, MISSING_NAMED_MAX)
    .map(({ role, descriptor }) => `${role} ${descriptor.digest}`);
  const more = needed.length > MISSING_NAMED_MAX ? ` and ${needed.length - MISSING_NAMED_MAX} more` : '';
  throw new OciError(
    'MANIFEST_BLOB_UNKNOWN',
    `the manifest names blobs that the repository does not have: ${names.join(', ')}${more}; push them first`,
  );
}

/** The same content is the same row: who pushed it first, and when, stays. */
async function insertManifest(
  runner: StatementRunner,
  repository: RepositoryRow,
  { digest, content, manifest, kind, pushedBy, provenance }: NewManifest,
): Promise<string> {
  const rows = await queryRows<{ id: string }>(
    runner,
    `INSERT INTO manifest (id, repository_id, digest, media_type, artifact_type, subject_digest, config_digest, kind,
       size, content, annotations, pushed_by, provenance)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (repository_id, digest) DO UPDATE SET kind = EXCLUDED.kind
     RETURNING id`,
    [
      newId(),
      repository.id,
      digest,
      manifest.mediaType,
      manifest.artifactType,
      manifest.subject?.digest ?? null,
      manifest.form === 'image' ? manifest.config.digest : null,
      kind,
      content.length,
      content,
      storableJson(manifest.annotations),
      pushedBy,
      provenance === null ? null : JSON.stringify(provenance),
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('the manifest was not stored');
  return id;
}

/** PostgreSQL's jsonb holds neither U+0000 nor half a surrogate pair. The bytes of the manifest still do. */
function storableJson(values: object): string {
  const clean = (text: string): string => text.toWellFormed().replaceAll('\u0000', '\ufffd');
  const entries = Object.entries(values as Record<string, string | null>);
  return JSON.stringify(
    Object.fromEntries(entries.map(([key, text]) => [clean(key), text === null ? null : clean(text)])),
  );
}

async function insertBlobEdges(
  runner: StatementRunner,
  repositoryId: string,
  manifestId: string,
  edges: readonly BlobEdge[],
  blobs: LockedBlobs,
  missing: readonly BlobEdge[],
): Promise<void> {
  const isMissing = new Set(missing);
  const present = edges.filter((edge) => !isMissing.has(edge));
  const placesOf = (some: readonly BlobEdge[]) => [
    manifestId,
    repositoryId,
    some.map(({ position }) => position),
    some.map(({ role }) => role),
  ];
  await Promise.all([
    present.length === 0
      ? null
      : runner.query(
          `INSERT INTO manifest_blob (manifest_id, repository_id, position, role, blob_id)
           SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::uuid[]) ON CONFLICT DO NOTHING`,
          [...placesOf(present), present.map(({ descriptor }) => blobs.get(descriptor.digest)?.id)],
        ),
    missing.length === 0
      ? null
      : runner.query(
          `INSERT INTO manifest_missing_blob (manifest_id, repository_id, position, role, digest)
           SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING`,
          [...placesOf(missing), missing.map(({ descriptor }) => descriptor.digest)],
        ),
  ]);
}

/** Children that the repository does not have yet are joined when they arrive. */
async function insertChildren(
  runner: StatementRunner,
  repositoryId: string,
  parentId: string,
  { manifest }: NewManifest,
): Promise<void> {
  if (manifest.form !== 'index' || manifest.manifests.length === 0) return;
  await runner.query(
    `INSERT INTO manifest_child (parent_id, position, child_digest, child_id, platform)
     SELECT $1, child.position, child.digest, m.id, child.platform
     FROM unnest($3::int[], $4::text[], $5::jsonb[]) AS child (position, digest, platform)
     LEFT JOIN manifest m ON m.repository_id = $2 AND m.digest = child.digest
     ON CONFLICT DO NOTHING`,
    [
      parentId,
      repositoryId,
      manifest.manifests.map((_, position) => position),
      manifest.manifests.map(({ digest }) => digest),
      manifest.manifests.map(({ platform }) => (platform === null ? null : storableJson(platform))),
    ],
  );
}

async function upsertTags(
  runner: StatementRunner,
  repositoryId: string,
  manifestId: string,
  tags: readonly Tag[],
): Promise<boolean> {
  if (tags.length === 0) return false;
  const rows = await queryRows<{ existed: boolean }>(
    runner,
    `INSERT INTO tag (repository_id, name, manifest_id)
     SELECT $1, name, $2 FROM unnest($3::text[]) AS name ORDER BY name
     ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = EXCLUDED.manifest_id, updated_at = now()
     RETURNING xmax <> 0 AS existed`,
    [repositoryId, manifestId, [...new Set(tags)]],
  );
  return rows.some(({ existed }) => existed);
}
