import type { ArtifactKind, Digest } from '@sluice/domain/oci';
import type { Inventory, LayerRecord } from '@sluice/domain/sbom';
import type { AdvisoryCoverage, AdvisoryRow, VersionRange } from '@sluice/domain/vulnerability';
import type { Severity } from '@sluice/domain/policy';
import type { DataSource, EntityManager } from 'typeorm';
import {
  InventoryStore,
  type MatchFunction,
  type MatchRequest,
  type ScanTarget,
  type TargetBlob,
} from '../ports/inventory-store.ts';
import { replaceEvidence } from './evidence-store.ts';
import { queryRows, storableJson } from './sql.ts';

export class PostgresInventoryStore extends InventoryStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async target(manifestId: string): Promise<ScanTarget | null> {
    const [manifest] = await queryRows<{
      digest: Digest;
      kind: ArtifactKind;
      media_type: string;
      content: Buffer;
    }>(this.#source, 'SELECT digest, kind, media_type, content FROM manifest WHERE id = $1', [manifestId]);
    if (manifest === undefined) return null;
    const blobs = await queryRows<{ digest: Digest; object_key: string; size: string }>(
      this.#source,
      `SELECT b.digest, b.object_key, b.size FROM manifest_blob m JOIN blob b ON b.id = m.blob_id
       WHERE m.manifest_id = $1`,
      [manifestId],
    );
    return {
      digest: manifest.digest,
      kind: manifest.kind,
      mediaType: manifest.media_type,
      content: manifest.content,
      blobs: new Map(
        blobs.map((row): [string, TargetBlob] => [
          row.digest,
          { digest: row.digest, objectKey: row.object_key, sizeBytes: Number(row.size) },
        ]),
      ),
    };
  }

  async layer(blobDigest: string, catalogerVersion: number): Promise<LayerRecord | null> {
    const rows = await queryRows<{ record: LayerRecord }>(
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
    await this.#source.transaction(async (manager) => {
      await manager.query(
        `INSERT INTO layer_record (diff_id, cataloger_version, record) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
        [diffId, catalogerVersion, storableText(record)],
      );
      await manager.query(
        `INSERT INTO layer_blob (blob_digest, cataloger_version, diff_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
        [blobDigest, catalogerVersion, diffId],
      );
    });
  }

  async inventory(digest: string, catalogerVersion: number): Promise<Inventory | null> {
    const rows = await queryRows<{ content: Inventory }>(
      this.#source,
      'SELECT content FROM inventory WHERE digest = $1 AND cataloger_version = $2',
      [digest, catalogerVersion],
    );
    return rows[0]?.content ?? null;
  }

  async record(request: MatchRequest, match: MatchFunction): Promise<void> {
    await this.#source.transaction(async (manager) => {
      const coverage = await lockCoverage(manager, request.ecosystems);
      const rows = await selectAdvisories(manager, request);
      const { evidence, uncovered } = match(rows, coverage);
      await upsertInventory(manager, request, uncovered);
      await replaceEvidence(
        manager,
        { digest: request.digest, repositoryId: null, kind: 'scan' },
        evidence.engine,
        [{ key: '', payload: evidence }],
      );
    });
  }
}

/** Holds the revision until the transaction ends; an import waits with its commit for that long. */
async function lockCoverage(
  manager: EntityManager,
  ecosystems: readonly string[],
): Promise<AdvisoryCoverage> {
  const [state] = await queryRows<{ revision: string }>(
    manager,
    'SELECT revision FROM advisory_state FOR SHARE',
  );
  const covered = await queryRows<{ ecosystem: string }>(
    manager,
    `SELECT wanted.ecosystem FROM unnest($1::text[]) AS wanted (ecosystem)
     WHERE EXISTS (SELECT FROM advisory_affected a WHERE a.ecosystem = wanted.ecosystem)`,
    [ecosystems],
  );
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

async function selectAdvisories(manager: EntityManager, request: MatchRequest): Promise<AdvisoryRow[]> {
  const rows = await queryRows<AdvisoryRecord>(
    manager,
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
  manager: EntityManager,
  request: MatchRequest,
  uncovered: readonly string[],
): Promise<void> {
  const { digest, inventory, keys } = request;
  await manager.query(
    `INSERT INTO inventory (digest, cataloger_version, content, uncovered) VALUES ($1, $2, $3, $4)
     ON CONFLICT (digest) DO UPDATE SET cataloger_version = excluded.cataloger_version,
       content = excluded.content, uncovered = excluded.uncovered, updated_at = now()`,
    [digest, inventory.catalogerVersion, storableText(inventory), uncovered],
  );
  const parameters = [digest, keys.map((key) => key.ecosystem), keys.map((key) => key.name)];
  await manager.query(
    `DELETE FROM inventory_package p WHERE p.digest = $1 AND NOT EXISTS (
       SELECT FROM unnest($2::text[], $3::text[]) AS kept (ecosystem, name)
       WHERE kept.ecosystem = p.ecosystem AND kept.name = p.name)`,
    parameters,
  );
  await manager.query(
    `INSERT INTO inventory_package (ecosystem, name, digest)
     SELECT ecosystem, name, $1 FROM unnest($2::text[], $3::text[]) AS kept (ecosystem, name)
     ON CONFLICT DO NOTHING`,
    parameters,
  );
}

/** JSON of what images name, made storable only where it must be: records may have megabytes. */
function storableText(value: unknown): string {
  const text = JSON.stringify(value);
  return /\\u(?:0000|d[89a-f])/i.test(text) ? JSON.stringify(storableJson(value)) : text;
}
