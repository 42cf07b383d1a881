import { createHash } from 'node:crypto';
import type { Evidence, RuleResult, VerdictState } from '@sluice/domain/policy';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import { queryRows } from '../postgres/sql.ts';

export interface SeedArtifact {
  readonly projectId: string;
  readonly repository: string;
  readonly tags?: readonly string[];
  readonly kind?: string;
  readonly subjectDigest?: string;
  readonly pushedBy?: string;
  /** Sizes of its layers. */
  readonly layers?: readonly number[];
  /** What it names, when it is an index; `manifestId` is absent for what the repository lacks. */
  readonly children?: readonly { digest: string; manifestId?: string; platform?: object }[];
  readonly verdict?: {
    readonly state: VerdictState;
    readonly summary?: string;
    readonly results?: readonly RuleResult[];
  };
}

export interface SeededArtifact {
  readonly id: string;
  readonly repositoryId: string;
  readonly verdictId: string;
  readonly digest: string;
}

/** Writes an artifact as a push and its evaluation leave it, without anything that pushes or evaluates. */
export async function seedArtifact(source: DataSource, seed: SeedArtifact): Promise<SeededArtifact> {
  const id = newId();
  const verdictId = newId();
  const content = Buffer.from(JSON.stringify({ id }));
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const repositoryId = await repositoryNamed(source, seed.projectId, seed.repository);
  await source.query(
    `INSERT INTO manifest (id, repository_id, digest, media_type, subject_digest, kind, size, content, pushed_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      id,
      repositoryId,
      digest,
      seed.kind === 'index'
        ? 'application/vnd.oci.image.index.v1+json'
        : 'application/vnd.oci.image.manifest.v1+json',
      seed.subjectDigest ?? null,
      seed.kind ?? 'image',
      content.length,
      content,
      seed.pushedBy ?? null,
    ],
  );
  for (const [position, size] of (seed.layers ?? []).entries()) {
    const blobId = newId();
    await source.query(`INSERT INTO blob (id, digest, size, object_key) VALUES ($1::uuid, $2, $3, $2)`, [
      blobId,
      `sha256:${createHash('sha256').update(blobId).digest('hex')}`,
      size,
    ]);
    await source.query(
      `INSERT INTO manifest_blob (manifest_id, position, role, blob_id, repository_id) VALUES ($1, $2, 'layer', $3, $4)`,
      [id, position, blobId, repositoryId],
    );
  }
  for (const [position, child] of (seed.children ?? []).entries()) {
    await source.query(
      `INSERT INTO manifest_child (parent_id, position, child_digest, child_id, platform) VALUES ($1, $2, $3, $4, $5)`,
      [id, position, child.digest, child.manifestId ?? null, child.platform ?? null],
    );
  }
  for (const tag of seed.tags ?? []) {
    await source.query(
      `INSERT INTO tag (repository_id, name, manifest_id) VALUES ($1, $2, $3)
       ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id`,
      [repositoryId, tag, id],
    );
  }
  await source.query(
    `INSERT INTO verdict (manifest_id, id, state, summary, results) VALUES ($1, $2, $3, $4, $5)`,
    [
      id,
      verdictId,
      seed.verdict?.state ?? 'pending',
      seed.verdict?.summary ?? null,
      JSON.stringify(seed.verdict?.results ?? []),
    ],
  );
  return { id, repositoryId, verdictId, digest };
}

/** Writes one piece of evidence and returns its id. */
export async function seedEvidence(
  source: DataSource,
  about: { readonly digest: string; readonly repositoryId: string | null },
  payload: Evidence,
): Promise<string> {
  const id = newId();
  await source.query(
    `INSERT INTO evidence (id, repository_id, digest, kind, key, producer, payload) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, about.repositoryId, about.digest, payload.kind, id, 'test/1', JSON.stringify(payload)],
  );
  return id;
}

async function repositoryNamed(source: DataSource, projectId: string, name: string): Promise<string> {
  const rows = await queryRows<{ id: string }>(
    source,
    `INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id`,
    [newId(), projectId, name],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('INSERT returned no row');
  return id;
}
