import type { Visibility } from '@sluice/domain/access';
import type { ArtifactKind, Digest, Reference, RepositoryName, Tag } from '@sluice/domain/oci';
import type { RuleResult, StoredVerdict, VerdictState } from '@sluice/domain/policy';
import type { DataSource } from 'typeorm';
import {
  type BlobLookup,
  type ManifestLookup,
  type ReferrersPage,
  type ReferrersQuery,
  RegistryReads,
} from '../ports/registry-reads.ts';
import type { PipelinedConnections } from './pipelined-connections.ts';
import { PreparedStatement } from './prepared.ts';
import { queryRows } from './sql.ts';

/** A principal that may not act any more has no epoch, so that no token of it matches. */
const epochOf = (parameter: string): string =>
  `(SELECT p.epoch FROM principal p WHERE p.id = ${parameter}
     AND p.disabled_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > now()))`;

const VISIBILITY = `(SELECT n.visibility FROM node n WHERE n.id = r.project_id)`;

/**
 * Both begin at a row that is always there, so that one query tells "no such repository" from "no such manifest" and
 * brings the epoch in any case.
 */
const selectManifest = (join: string): string =>
  `SELECT ${epochOf('$3')}, r.project_id, r.id, m.id, m.digest, m.media_type, m.size, m.kind, v.id, v.state, v.summary,
     v.rules_revision <> r.rules_revision, ${VISIBILITY}
   FROM (SELECT 1) one
   LEFT JOIN repository r ON r.name = $1
   ${join}
   LEFT JOIN verdict v ON v.manifest_id = m.id`;

const MANIFEST_BY_TAG = selectManifest(
  `LEFT JOIN tag t ON t.repository_id = r.id AND t.name = $2 LEFT JOIN manifest m ON m.id = t.manifest_id`,
);
const MANIFEST_BY_DIGEST = selectManifest(`LEFT JOIN manifest m ON m.repository_id = r.id AND m.digest = $2`);

type ManifestRow = readonly [
  epoch: number | null,
  projectId: string | null,
  repositoryId: string | null,
  id: string | null,
  digest: string,
  mediaType: string,
  size: number,
  kind: string,
  verdictId: string | null,
  state: string,
  summary: string | null,
  isStale: boolean | null,
  visibility: string | null,
];

const verdictsNaming = (condition: string): string =>
  `SELECT bv.id, bv.state, bv.summary, bv.manifest_id, bv.rules_revision, bm.kind
   FROM manifest_blob mb
   JOIN verdict bv ON bv.manifest_id = mb.manifest_id
   JOIN manifest bm ON bm.id = mb.manifest_id
   WHERE mb.repository_id = r.id AND mb.blob_id = b.id ${condition} LIMIT 1`;

/**
 * The best verdict among the images that name the blob; only where no image does, among other artifacts: those need
 * not be scanned, so naming a layer in one must not let it out. An arm of the union is only run when the ones before
 * it found nothing, so that a base layer of thousands of good images costs no more than that of one.
 */
const BEST_VERDICT = [
  verdictsNaming(`AND bm.kind = 'image' AND bv.state = 'green'`),
  verdictsNaming(`AND bm.kind = 'image' AND bv.state = 'amber'`),
  verdictsNaming(`ORDER BY bm.kind <> 'image', array_position('{green,amber,pending,red}', bv.state)`),
]
  .map((arm) => `(${arm})`)
  .join(' UNION ALL ');

/** Anything but `off` and `audit` enforces, also what is not understood here. */
const IS_ENFORCED = `EXISTS (
  SELECT 1 FROM policy p, jsonb_path_query(p.document, '$.spec.rules[*]') rule
  WHERE (p.node_id IS NULL OR p.node_id = ANY ((SELECT n.lineage FROM node n WHERE n.id = r.project_id)::uuid[]))
    AND p.document #>> '{spec,mode}' IS DISTINCT FROM 'off'
    AND coalesce(rule ->> 'mode', p.document #>> '{spec,mode}', 'enforce') NOT IN ('off', 'audit'))`;

/** OFFSET 0 keeps the planner from walking all blobs of the repository while its statistics are those of a small one. */
const BLOB = `SELECT ${epochOf('$3')}, r.id, b.id, b.size, b.object_key, l.expires_at, v.id, v.state, v.summary,
    v.manifest_id, CASE WHEN b.id IS NOT NULL AND v.id IS NULL THEN ${IS_ENFORCED} END,
    v.rules_revision <> r.rules_revision,
    (SELECT n.blob_downloads = 'redirect' FROM node n WHERE n.id = r.project_id), ${VISIBILITY}, v.kind = 'image'
  FROM (SELECT 1) one
  LEFT JOIN repository r ON r.name = $1
  LEFT JOIN LATERAL (
    SELECT lb.id, lb.size, lb.object_key
    FROM (SELECT id, size, object_key FROM blob WHERE digest = $2 AND state = 'live' OFFSET 0) lb
    JOIN repository_blob rb ON rb.repository_id = r.id AND rb.blob_id = lb.id) b ON true
  LEFT JOIN lease l ON l.blob_id = b.id
  LEFT JOIN LATERAL (SELECT * FROM (${BEST_VERDICT}) best LIMIT 1) v ON b.id IS NOT NULL`;

type BlobRow = readonly [
  epoch: number | null,
  repositoryId: string | null,
  id: string | null,
  size: string,
  objectKey: string,
  leasedUntil: Date | null,
  verdictId: string | null,
  state: string,
  summary: string | null,
  manifestId: string,
  enforced: boolean | null,
  isStale: boolean | null,
  mayRedirect: boolean | null,
  visibility: string | null,
  isOfImage: boolean | null,
];

const CONTENT = `SELECT content FROM manifest WHERE id = $1`;

interface ReferrerRow {
  media_type: string;
  digest: string;
  size: number;
  artifact_type: string | null;
  annotations: Record<string, string>;
  /** How many there are for this page, those included that were too much. */
  candidates: number;
}

/** Annotations come whole out of the database, and may be as large as a manifest each. */
const REFERRERS_MANIFEST_BYTES = 8 * 1024 * 1024;

/**
 * Along an index from the first referrer of the page on, and into those of other subjects if it must, as with tags. One
 * statement with and one without the type, because each has its own index.
 */
const selectReferrers = (typed: boolean): string => {
  const columns = ['repository_id', 'subject_digest', ...(typed ? ['artifact_type'] : []), 'digest'].map(
    (column) => `m.${column}`,
  );
  return `WITH page AS MATERIALIZED (
     SELECT m.id, m.repository_id, m.subject_digest, m.artifact_type, m.digest, m.size FROM manifest m
     WHERE m.subject_digest IS NOT NULL AND (${columns.join(', ')}) >
       ((SELECT id FROM repository WHERE name = $1), $2, ${typed ? '$6, ' : ''}$3)
     ORDER BY ${columns.join(', ')} LIMIT $4),
   candidate AS (
     SELECT id, digest, sum(size) OVER (ORDER BY digest) - size AS bytes_before, count(*) OVER () AS candidates
     FROM page WHERE repository_id = (SELECT id FROM repository WHERE name = $1) AND subject_digest = $2
       ${typed ? 'AND artifact_type = $6' : ''})
   SELECT m.media_type, m.digest, m.size, m.artifact_type, m.annotations, c.candidates::int AS candidates
   FROM candidate c JOIN manifest m ON m.id = c.id WHERE c.bytes_before < $5 ORDER BY m.digest`;
};

/** Reads of the data plane on PostgreSQL; those of every pull are prepared statements. */
export class PostgresRegistryReads extends RegistryReads {
  readonly #source: DataSource;
  readonly #manifestByTag: PreparedStatement<ManifestRow>;
  readonly #manifestByDigest: PreparedStatement<ManifestRow>;
  readonly #blob: PreparedStatement<BlobRow>;
  readonly #content: PreparedStatement<readonly [Buffer]>;

  /** @param connections carry the reads of every pull; everything else takes the pool of `source` */
  constructor(source: DataSource, connections: PipelinedConnections) {
    super();
    this.#source = source;
    this.#manifestByTag = new PreparedStatement(connections, 'registry-manifest-by-tag', MANIFEST_BY_TAG);
    this.#manifestByDigest = new PreparedStatement(
      connections,
      'registry-manifest-by-digest',
      MANIFEST_BY_DIGEST,
    );
    this.#blob = new PreparedStatement(connections, 'registry-blob', BLOB);
    this.#content = new PreparedStatement(connections, 'registry-manifest-content', CONTENT);
  }

  async manifest(
    repository: RepositoryName,
    reference: Reference,
    principalId: string | null,
  ): Promise<ManifestLookup> {
    const row =
      reference.kind === 'tag'
        ? await this.#manifestByTag.first([repository, reference.tag, principalId])
        : await this.#manifestByDigest.first([repository, reference.digest, principalId]);
    if (row === undefined) throw new Error('the manifest query gave no row');
    const [principalEpoch, projectId, repositoryId, id, digest, mediaType, sizeBytes, kind] = row;
    return {
      principalEpoch,
      projectId,
      repositoryId,
      visibility: row[12] as Visibility | null,
      manifest:
        id === null
          ? null
          : {
              id,
              digest: digest as Digest,
              mediaType,
              sizeBytes,
              kind: kind as ArtifactKind,
              verdict: toVerdict(row[8], row[9], row[10], row[11]),
              isStale: row[11] === true,
            },
    };
  }

  async manifestContent(manifestId: string): Promise<Buffer | null> {
    return (await this.#content.first([manifestId]))?.[0] ?? null;
  }

  async verdictResults(manifestId: string): Promise<readonly RuleResult[]> {
    const rows = await queryRows<{ results: RuleResult[] }>(
      this.#source,
      'SELECT results FROM verdict WHERE manifest_id = $1',
      [manifestId],
    );
    return rows[0]?.results ?? [];
  }

  async blob(repository: RepositoryName, digest: Digest, principalId: string | null): Promise<BlobLookup> {
    const row = await this.#blob.first([repository, digest, principalId]);
    if (row === undefined) throw new Error('the blob query gave no row');
    const [principalEpoch, repositoryId, id, size, objectKey, leasedUntil, , , , manifestId, enforced] = row;
    const visibility = row[13] as Visibility | null;
    if (id === null) return { principalEpoch, repositoryId, visibility, blob: null };
    const verdict = toVerdict(row[6], row[7], row[8], row[11]);
    return {
      principalEpoch,
      repositoryId,
      visibility,
      blob: {
        id,
        sizeBytes: Number(size),
        objectKey,
        leasedUntil,
        verdict: verdict === null ? null : { ...verdict, manifestId },
        isOfImage: row[14] === true,
        isStale: row[11] === true,
        mayRedirect: row[12] === true,
        enforced: enforced ?? true,
      },
    };
  }

  async tags(repository: RepositoryName, after: string | null, limit: number): Promise<Tag[] | null> {
    const rows = await queryRows<{ tags: Tag[] }>(
      this.#source,
      // Along the primary key from the first tag of the page on, into other repositories if it must: asked for those of
      // one repository alone, the planner sorts all of them while its statistics are those of a small one.
      `SELECT ARRAY(
         SELECT page.name FROM (
           SELECT t.repository_id, t.name FROM tag t WHERE (t.repository_id, t.name) > (r.id, $2)
           ORDER BY t.repository_id, t.name LIMIT $3) page
         WHERE page.repository_id = r.id ORDER BY page.name) AS tags
       FROM repository r WHERE r.name = $1`,
      [repository, after ?? '', limit],
    );
    return rows[0]?.tags ?? null;
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    { artifactType, after, limit }: ReferrersQuery,
  ): Promise<ReferrersPage> {
    const values = [repository, subject, after ?? '', limit + 1, REFERRERS_MANIFEST_BYTES];
    const rows = await queryRows<ReferrerRow>(
      this.#source,
      selectReferrers(artifactType !== null),
      artifactType === null ? values : [...values, artifactType],
    );
    return {
      referrers: rows.slice(0, limit).map((row) => ({
        mediaType: row.media_type,
        digest: row.digest as Digest,
        sizeBytes: row.size,
        artifactType: row.artifact_type,
        annotations: row.annotations,
      })),
      hasMore: rows.length > limit || rows.length < (rows[0]?.candidates ?? 0),
    };
  }
}

const STALE = 'policy: it is being judged by rules that have changed';

/** What a verdict of older rules says does not count, so that nobody who overlooks that lets anything out. */
function toVerdict(
  id: string | null,
  state: string,
  summary: string | null,
  isStale: boolean | null,
): StoredVerdict | null {
  if (id === null) return null;
  return isStale === false
    ? { id, state: state as VerdictState, summary }
    : { id, state: 'pending', summary: STALE };
}
