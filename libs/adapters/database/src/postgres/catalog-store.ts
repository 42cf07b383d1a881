import type { Provenance } from '@sluice/domain/access';
import type { RepositoryName } from '@sluice/domain/oci';
import type { RuleResult, StoredVerdict, VerdictState } from '@sluice/domain/policy';
import type { DataSource } from 'typeorm';
import {
  type ArtifactQuery,
  type ArtifactRecord,
  type CatalogPlace,
  type CatalogReader,
  CatalogStore,
  type ChildRecord,
  type EvidenceEntry,
  type RepositoryNameQuery,
  type RepositoryQuery,
  type RepositoryRecord,
  type VerdictRecord,
} from '../ports/catalog-store.ts';
import { queryRows } from './sql.ts';

export class PostgresCatalogStore extends CatalogStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async locate(kind: 'repository' | 'artifact' | 'verdict', id: string): Promise<CatalogPlace | null> {
    const rows = await queryRows<{ project_id: string; name: string }>(this.#source, LOCATE[kind], [id]);
    return rows[0] === undefined ? null : { projectId: rows[0].project_id, repository: rows[0].name };
  }

  async listRepositories(query: RepositoryQuery): Promise<RepositoryRecord[]> {
    const parameters = new Parameters();
    const rows = await queryRows<RepositoryRow>(
      this.#source,
      `${SELECT_REPOSITORY}
       WHERE ${readableBy(query.reader, parameters)}
         AND (${parameters.add(query.projectId ?? null)}::uuid IS NULL OR r.project_id = ${parameters.last})
         AND (${parameters.add(query.after)}::text IS NULL OR r.name > ${parameters.last})
       ORDER BY r.name LIMIT ${parameters.add(query.limit)}`,
      parameters.values,
    );
    return rows.map(toRepository);
  }

  async repositoryNames(query: RepositoryNameQuery): Promise<RepositoryName[]> {
    const parameters = new Parameters();
    const holds =
      query.blob === undefined
        ? 'EXISTS (SELECT FROM manifest m WHERE m.repository_id = r.id)'
        : `r.id IN (SELECT rb.repository_id FROM blob b JOIN repository_blob rb ON rb.blob_id = b.id
             WHERE b.digest = ${parameters.add(query.blob)} AND b.state = 'live')`;
    const rows = await queryRows<{ name: RepositoryName }>(
      this.#source,
      `SELECT r.name FROM repository r JOIN node n ON n.id = r.project_id
       WHERE ${holds} AND ${readableBy(query.reader, parameters)} AND r.name > ${parameters.add(query.after ?? '')}
       ORDER BY r.name LIMIT ${parameters.add(query.limit)}`,
      parameters.values,
    );
    return rows.map(({ name }) => name);
  }

  async repository(id: string): Promise<RepositoryRecord | null> {
    const rows = await queryRows<RepositoryRow>(this.#source, `${SELECT_REPOSITORY} WHERE r.id = $1`, [id]);
    return rows[0] === undefined ? null : toRepository(rows[0]);
  }

  async listArtifacts(query: ArtifactQuery): Promise<ArtifactRecord[]> {
    const parameters = new Parameters();
    const rows = await queryRows<ArtifactRow>(
      this.#source,
      `${SELECT_ARTIFACT}
       WHERE ${readableBy(query.reader, parameters)}
         AND (${parameters.add(query.repository ?? null)}::text IS NULL OR r.name = ${parameters.last})
         AND (${parameters.add(query.kinds ?? null)}::text[] IS NULL OR m.kind = ANY (${parameters.last}))
         AND (${parameters.add(query.verdicts ?? null)}::text[] IS NULL OR v.state = ANY (${parameters.last}))
         AND (${parameters.add(query.after)}::uuid IS NULL OR m.id < ${parameters.last})
       ORDER BY m.id DESC LIMIT ${parameters.add(query.limit)}`,
      parameters.values,
    );
    return rows.map(toArtifact);
  }

  async artifact(id: string): Promise<ArtifactRecord | null> {
    const rows = await queryRows<ArtifactRow>(this.#source, `${SELECT_ARTIFACT} WHERE m.id = $1`, [id]);
    return rows[0] === undefined ? null : toArtifact(rows[0]);
  }

  async findArtifact(
    repository: string,
    reference: { readonly tag: string } | { readonly digest: string },
  ): Promise<ArtifactRecord | null> {
    const where =
      'tag' in reference
        ? 'm.id = (SELECT t.manifest_id FROM tag t WHERE t.repository_id = r.id AND t.name = $2)'
        : 'm.digest = $2';
    const rows = await queryRows<ArtifactRow>(
      this.#source,
      `${SELECT_ARTIFACT} WHERE r.name = $1 AND ${where}`,
      [repository, 'tag' in reference ? reference.tag : reference.digest],
    );
    return rows[0] === undefined ? null : toArtifact(rows[0]);
  }

  async verdict(
    by: { readonly id: string } | { readonly artifactId: string },
  ): Promise<VerdictRecord | null> {
    const [column, value] = 'id' in by ? ['id', by.id] : ['manifest_id', by.artifactId];
    const rows = await queryRows<VerdictRow>(
      this.#source,
      `SELECT id, manifest_id, state, summary, results, evaluated_at FROM verdict WHERE ${column} = $1`,
      [value],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return {
      id: row.id,
      artifactId: row.manifest_id,
      state: row.state,
      summary: row.summary,
      results: row.results,
      evaluatedAt: row.evaluated_at,
    };
  }

  async children(artifactId: string): Promise<ChildRecord[]> {
    const rows = await queryRows<ChildRow>(
      this.#source,
      `SELECT c.child_digest, c.platform, m.id, m.kind,
         v.id AS verdict_id, v.state AS verdict_state, v.summary AS verdict_summary
       FROM manifest_child c
       LEFT JOIN manifest m ON m.id = c.child_id
       LEFT JOIN verdict v ON v.manifest_id = m.id
       WHERE c.parent_id = $1 ORDER BY c.position`,
      [artifactId],
    );
    return rows.map((row) => ({
      digest: row.child_digest,
      platform: platformText(row.platform),
      artifact:
        row.id === null || row.kind === null ? null : { id: row.id, kind: row.kind, verdict: toVerdict(row) },
    }));
  }

  async evidence(repositoryId: string, digest: string): Promise<EvidenceEntry[]> {
    const rows = await queryRows<EvidenceRow>(
      this.#source,
      `SELECT id, digest, kind, producer, payload, created_at FROM evidence
       WHERE digest = $1 AND (repository_id IS NULL OR repository_id = $2) ORDER BY created_at, id`,
      [digest, repositoryId],
    );
    return rows.map(({ created_at, ...row }) => ({ ...row, createdAt: created_at }));
  }
}

const LOCATE = {
  repository: 'SELECT project_id, name FROM repository WHERE id = $1',
  artifact: `SELECT r.project_id, r.name FROM manifest m JOIN repository r ON r.id = m.repository_id WHERE m.id = $1`,
  verdict: `SELECT r.project_id, r.name FROM verdict v JOIN manifest m ON m.id = v.manifest_id
    JOIN repository r ON r.id = m.repository_id WHERE v.id = $1`,
};

/** Collects parameters of a statement that is put together from parts. */
class Parameters {
  readonly values: unknown[] = [];

  /** The placeholder of the new parameter. */
  add(value: unknown): string {
    this.values.push(value);
    return this.last;
  }

  get last(): string {
    return `$${this.values.length}`;
  }
}

/** The condition on `n`, the project of a repository, that lets the reader see it. */
function readableBy(reader: CatalogReader, parameters: Parameters): string {
  if (reader.kind === 'all') return 'true';
  const visibilities = reader.internal ? ['public', 'internal'] : ['public'];
  return `(n.visibility = ANY (${parameters.add(visibilities)}::text[])
    OR n.lineage && ${parameters.add(reader.nodeIds)}::uuid[]
    OR EXISTS (SELECT FROM access_grant g
      WHERE g.principal_id = ${parameters.add(reader.id)}::uuid AND g.node_id = ANY (n.lineage)
        AND g.role <> 'guest' AND (g.expires_at IS NULL OR g.expires_at > now())))`;
}

const SELECT_REPOSITORY = `
  SELECT r.id, r.name, r.project_id, n.path AS project_path, r.created_at,
    counted.artifacts, counted.last_pushed_at,
    (SELECT count(*) FROM tag t WHERE t.repository_id = r.id)::int AS tags
  FROM repository r
  JOIN node n ON n.id = r.project_id
  CROSS JOIN LATERAL (
    SELECT count(*)::int AS artifacts, max(m.created_at) AS last_pushed_at
    FROM manifest m WHERE m.repository_id = r.id
  ) AS counted`;

const SELECT_ARTIFACT = `
  SELECT m.id, m.repository_id, r.name AS repository, r.project_id, m.digest, m.media_type, m.artifact_type, m.kind,
    (m.size + coalesce((SELECT sum(b.size) FROM manifest_blob mb JOIN blob b ON b.id = mb.blob_id
      WHERE mb.manifest_id = m.id), 0))::text AS size_bytes,
    ARRAY(SELECT t.name FROM tag t WHERE t.manifest_id = m.id ORDER BY t.name) AS tags,
    m.subject_digest, m.created_at, m.pushed_by, p.name AS pusher_name, p.kind AS pusher_kind, m.provenance,
    v.id AS verdict_id, v.state AS verdict_state, v.summary AS verdict_summary
  FROM manifest m
  JOIN repository r ON r.id = m.repository_id
  JOIN node n ON n.id = r.project_id
  LEFT JOIN verdict v ON v.manifest_id = m.id
  LEFT JOIN principal p ON p.id = m.pushed_by`;

interface RepositoryRow {
  id: string;
  name: string;
  project_id: string;
  project_path: string;
  artifacts: number;
  tags: number;
  created_at: Date;
  last_pushed_at: Date | null;
}

function toRepository(row: RepositoryRow): RepositoryRecord {
  return {
    id: row.id,
    name: row.name,
    projectId: row.project_id,
    projectPath: row.project_path,
    artifacts: row.artifacts,
    tags: row.tags,
    createdAt: row.created_at,
    lastPushedAt: row.last_pushed_at,
  };
}

interface VerdictColumns {
  verdict_id: string | null;
  verdict_state: VerdictState | null;
  verdict_summary: string | null;
}

function toVerdict(row: VerdictColumns): StoredVerdict | null {
  if (row.verdict_id === null || row.verdict_state === null) return null;
  return { id: row.verdict_id, state: row.verdict_state, summary: row.verdict_summary };
}

interface ArtifactRow extends VerdictColumns {
  id: string;
  repository_id: string;
  repository: string;
  project_id: string;
  digest: string;
  media_type: string;
  artifact_type: string | null;
  kind: string;
  /** bigint comes as text */
  size_bytes: string;
  tags: string[];
  subject_digest: string | null;
  created_at: Date;
  pushed_by: string | null;
  pusher_name: string | null;
  pusher_kind: string | null;
  provenance: Provenance | null;
}

function toArtifact(row: ArtifactRow): ArtifactRecord {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    repository: row.repository,
    projectId: row.project_id,
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type,
    kind: row.kind,
    sizeBytes: Number(row.size_bytes),
    tags: row.tags,
    subjectDigest: row.subject_digest,
    createdAt: row.created_at,
    pushedBy:
      row.pushed_by === null ? null : { id: row.pushed_by, name: row.pusher_name, kind: row.pusher_kind },
    provenance: row.provenance,
    verdict: toVerdict(row),
  };
}

interface VerdictRow {
  id: string;
  manifest_id: string;
  state: VerdictState;
  summary: string | null;
  results: RuleResult[];
  evaluated_at: Date;
}

interface ChildRow extends VerdictColumns {
  child_digest: string;
  platform: unknown;
  id: string | null;
  kind: string | null;
}

/** image-spec, "Image Index", `platform`: os, architecture and, where it matters, variant. */
function platformText(platform: unknown): string | null {
  if (typeof platform !== 'object' || platform === null) return null;
  const { os, architecture, variant } = platform as Record<string, unknown>;
  const parts = [os, architecture, variant].filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? null : parts.join('/');
}

interface EvidenceRow {
  id: string;
  digest: string;
  kind: string;
  producer: string;
  payload: unknown;
  created_at: Date;
}
