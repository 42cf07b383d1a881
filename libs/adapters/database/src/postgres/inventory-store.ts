import type { ArtifactKind, Digest } from '@sluice/domain/oci';
import type { Inventory, LayerRecord } from '@sluice/domain/sbom';
import type { AdvisoryCoverage, AdvisoryRow, VersionRange } from '@sluice/domain/vulnerability';
import type { Severity } from '@sluice/domain/policy';
import {
  InventoryStore,
  type MatchFunction,
  type MatchRequest,
  type ScanTarget,
  type TargetBlob,
} from '../ports/inventory-store.ts';
import type { EvidenceSubject } from '../ports/evidence-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import type { Database } from './database.ts';
import { lockEvidence, writeEvidence } from './evidence-store.ts';
import { queryRows, storableJson } from './sql.ts';
import { inTransaction, runPlanned } from './transaction.ts';

export class PostgresInventoryStore extends InventoryStore {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  async target(manifestId: string, catalogerVersion: number): Promise<ScanTarget | null> {
    const [row] = await runPlanned<TargetRow>(this.#source, TARGET, [manifestId, catalogerVersion]);
    if (row === undefined) return null;
    const layers = row.blobs.flatMap(({ digest, record }) =>
      record === null ? [] : [[digest, record] as const],
    );
    return {
      digest: row.digest,
      kind: row.kind,
      mediaType: row.media_type,
      content: row.content,
      blobs: new Map(
        row.blobs.map(({ digest, objectKey, sizeBytes }) => [digest, { digest, objectKey, sizeBytes }]),
      ),
      inventory: row.inventory,
      layers: new Map(layers),
    };
  }

  async layer(blobDigest: string, catalogerVersion: number): Promise<LayerRecord | null> {
    const rows = await runPlanned<{ record: LayerRecord }>(
      this.#source,
      `SELECT r.record FROM layer_blob b
       JOIN layer_record r ON r.diff_id = b.diff_id AND r.cataloger_version = b.cataloger_version
       WHERE b.blob_digest = $1 AND b.cataloger_version = $2`,
      [blobDigest, catalogerVersion],
    );
    return rows[0]?.record ?? null;
  }

  async saveLayer(blobDigest: string, record: LayerRecord): Promise<void> {
    const { diffId, catalogerVersion } = record;
    await runPlanned(
      this.#source,
      `WITH kept AS (
         INSERT INTO layer_record (diff_id, cataloger_version, record) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
       INSERT INTO layer_blob (blob_digest, cataloger_version, diff_id) VALUES ($4, $2, $1) ON CONFLICT DO NOTHING`,
      [diffId, catalogerVersion, storableText(record), blobDigest],
    );
  }

  async inventory(digest: string, catalogerVersion: number): Promise<Inventory | null> {
    const rows = await runPlanned<{ content: Inventory }>(
      this.#source,
      'SELECT content FROM inventory WHERE digest = $1 AND cataloger_version = $2',
      [digest, catalogerVersion],
    );
    return rows[0]?.content ?? null;
  }

  async record(request: MatchRequest, match: MatchFunction): Promise<void> {
    const subject: EvidenceSubject = { digest: request.digest, repositoryId: null, kind: 'scan' };
    await inTransaction(this.#source, async (transaction) => {
      const [coverage, rows, known] = await Promise.all([
        lockCoverage(transaction, request.ecosystems),
        selectAdvisories(transaction, request),
        lockEvidence(transaction, subject),
      ]);
      const { evidence, uncovered } = match(rows, coverage);
      await transaction.finish(
        Promise.all([
          upsertInventory(transaction, request, uncovered),
          writeEvidence(transaction, subject, evidence.engine, [{ key: '', payload: evidence }], known),
        ]),
      );
    });
  }
}

interface TargetRow {
  digest: Digest;
  kind: ArtifactKind;
  media_type: string;
  content: Buffer;
  inventory: Inventory | null;
  blobs: (TargetBlob & { record: LayerRecord | null })[];
}

/** Everything that a scan has to know before it reads anything, in one statement. */
const TARGET = `
  SELECT m.digest, m.kind, m.media_type, m.content, known.content AS inventory,
    (SELECT coalesce(json_agg(json_build_object('digest', b.digest, 'objectKey', b.object_key, 'sizeBytes', b.size,
        'record', CASE WHEN coalesce(jsonb_array_length(known.content -> 'gaps'), 1) > 0 THEN (
          SELECT r.record FROM layer_blob l
          JOIN layer_record r ON r.diff_id = l.diff_id AND r.cataloger_version = l.cataloger_version
          WHERE l.blob_digest = b.digest AND l.cataloger_version = $2) END)), '[]')
      FROM manifest_blob mb JOIN blob b ON b.id = mb.blob_id WHERE mb.manifest_id = m.id) AS blobs
  FROM manifest m
  LEFT JOIN inventory known ON known.digest = m.digest AND known.cataloger_version = $2
  WHERE m.id = $1`;

/** Holds the revision until the transaction ends; an import waits with its commit for that long. */
async function lockCoverage(
  runner: StatementRunner,
  ecosystems: readonly string[],
): Promise<AdvisoryCoverage> {
  const [[state], covered] = await Promise.all([
    queryRows<{ revision: string }>(runner, 'SELECT revision FROM advisory_state FOR SHARE'),
    queryRows<{ ecosystem: string }>(
      runner,
      `SELECT wanted.ecosystem FROM unnest($1::text[]) AS wanted (ecosystem)
       WHERE EXISTS (SELECT FROM advisory_affected a WHERE a.ecosystem = wanted.ecosystem)`,
      [ecosystems],
    ),
  ]);
  const revision = Number(state?.revision ?? 0);
  return {
    revision: revision === 0 ? null : revision,
    ecosystems: new Set(covered.map((row) => row.ecosystem)),
  };
}

interface AdvisoryRecord {
  id: string;
  aliases: string[];
  upstream: string[];
  ecosystem: string;
  name: string;
  ranges: VersionRange[];
  versions: string[];
  severity: Severity;
  score: number | null;
}

async function selectAdvisories(runner: StatementRunner, request: MatchRequest): Promise<AdvisoryRow[]> {
  const rows = await queryRows<AdvisoryRecord>(
    runner,
    `SELECT a.id, a.aliases, a.upstream, f.ecosystem, f.name, f.ranges, f.versions, f.severity, f.score
     FROM unnest($1::text[], $2::text[]) AS wanted (ecosystem, name)
     JOIN advisory_affected f ON f.ecosystem = wanted.ecosystem AND f.name = wanted.name
     JOIN advisory a ON a.key = f.advisory_key
     WHERE a.withdrawn IS NULL`,
    [request.keys.map((key) => key.ecosystem), request.keys.map((key) => key.name)],
  );
  return rows.map(({ id, aliases, upstream, severity, score, ...affected }) => ({
    advisory: { id, aliases, upstream },
    affected: { ...affected, rating: { severity, score } },
  }));
}

async function upsertInventory(
  runner: StatementRunner,
  request: MatchRequest,
  uncovered: readonly string[],
): Promise<void> {
  const { digest, inventory, keys } = request;
  const names = [digest, keys.map((key) => key.ecosystem), keys.map((key) => key.name)];
  await Promise.all([
    runner.query(
      `INSERT INTO inventory (digest, cataloger_version, content, uncovered) VALUES ($1, $2, $3, $4)
       ON CONFLICT (digest) DO UPDATE SET cataloger_version = excluded.cataloger_version,
         content = excluded.content, uncovered = excluded.uncovered, updated_at = now()`,
      [digest, inventory.catalogerVersion, storableText(inventory), uncovered],
    ),
    runner.query(
      // NOT IN looks the names up in a hash, however few the planner expects.
      `DELETE FROM inventory_package WHERE digest = $1
         AND (ecosystem, name) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))`,
      names,
    ),
    runner.query(
      `INSERT INTO inventory_package (ecosystem, name, digest)
       SELECT ecosystem, name, $1 FROM unnest($2::text[], $3::text[]) AS kept (ecosystem, name)
       ON CONFLICT DO NOTHING`,
      names,
    ),
  ]);
}

/** JSON of what images name, made storable only where it must be: records may have megabytes. */
function storableText(value: unknown): string {
  const text = JSON.stringify(value);
  return /\\u(?:0000|d[89a-f])/i.test(text) ? JSON.stringify(storableJson(value)) : text;
}
