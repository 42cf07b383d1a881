import type { Digest } from '@sluice/domain/oci';
import {
  type BlobLocation,
  type SignatureManifest,
  SignatureStore,
  type SignedSubject,
} from '../ports/signature-store.ts';
import type { Database } from './database.ts';
import { queryRows } from './sql.ts';
import { runPlanned } from './transaction.ts';

interface ManifestRow {
  id: string;
  digest: Digest;
  artifact_type: string | null;
  content: Buffer | null;
}

export class PostgresSignatureStore extends SignatureStore {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  async findTagged(repositoryId: string, tag: string, maxBytes: number): Promise<SignatureManifest | null> {
    const rows = await queryRows<ManifestRow>(
      this.#source,
      `SELECT m.id, m.digest, m.artifact_type, CASE WHEN m.size <= $3 THEN m.content END AS content
       FROM tag t JOIN manifest m ON m.id = t.manifest_id WHERE t.repository_id = $1 AND t.name = $2`,
      [repositoryId, tag, maxBytes],
    );
    return rows[0] === undefined ? null : toManifest(rows[0]);
  }

  async listReferrers(
    subject: SignedSubject,
    page: { readonly after: string | null; readonly limit: number; readonly maxBytes: number },
  ): Promise<SignatureManifest[]> {
    const rows = await queryRows<ManifestRow>(
      this.#source,
      `SELECT id, digest, artifact_type, CASE WHEN size <= $5 THEN content END AS content FROM manifest
       WHERE repository_id = $1 AND subject_digest = $2 AND ($3::uuid IS NULL OR id > $3)
       ORDER BY id LIMIT $4`,
      [subject.repositoryId, subject.digest, page.after, page.limit, page.maxBytes],
    );
    return rows.map(toManifest);
  }

  async maySign({ repositoryId, digest }: SignedSubject, tag: string | null): Promise<boolean> {
    const [row] = await runPlanned<{ found: boolean }>(
      this.#source,
      `SELECT EXISTS (SELECT FROM tag WHERE repository_id = $1 AND name = $3)
         OR EXISTS (SELECT FROM manifest WHERE repository_id = $1 AND subject_digest = $2)
         OR EXISTS (SELECT FROM evidence WHERE digest = $2 AND kind = 'signature' AND repository_id = $1) AS found`,
      [repositoryId, digest, tag],
    );
    return row?.found !== false;
  }

  async findBlob(repositoryId: string, digest: Digest): Promise<BlobLocation | null> {
    const rows = await queryRows<{ object_key: string; size: string }>(
      this.#source,
      `SELECT b.object_key, b.size FROM blob b JOIN repository_blob l ON l.blob_id = b.id
       WHERE b.digest = $2 AND b.state = 'live' AND l.repository_id = $1`,
      [repositoryId, digest],
    );
    const row = rows[0];
    return row === undefined ? null : { objectKey: row.object_key, size: Number(row.size) };
  }

  listSubjects(
    nodeId: string,
    page: { readonly after: SignedSubject | null; readonly limit: number },
  ): Promise<SignedSubject[]> {
    return queryRows<SignedSubject>(
      this.#source,
      `SELECT DISTINCT e.repository_id AS "repositoryId", e.digest
       FROM node p JOIN repository r ON r.project_id = p.id JOIN evidence e ON e.repository_id = r.id
       WHERE p.lineage @> ARRAY[$1::uuid] AND e.kind = 'signature'
         AND ($2::uuid IS NULL OR (e.repository_id, e.digest) > ($2, $3 COLLATE "C"))
       ORDER BY 1, 2 LIMIT $4`,
      [nodeId, page.after?.repositoryId ?? null, page.after?.digest ?? null, page.limit],
    );
  }
}

function toManifest(row: ManifestRow): SignatureManifest {
  return { id: row.id, digest: row.digest, artifactType: row.artifact_type, content: row.content };
}
