import { createHash } from 'node:crypto';
import { MemoryBlobStorage } from '@sluice/blob-storage/memory';
import { newId } from '@sluice/database';
import { PostgresAdvisoryStore, PostgresInventoryStore } from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import type { ScanEvidence } from '@sluice/domain/policy';
import {
  type LayerBlob,
  LayerReader,
  type LayerReading,
  type ReadLayerOptions,
} from '@sluice/image-contents';
import { InlineLayerReader } from '@sluice/image-contents/inline';
import type { WorkContext } from '../context.ts';
import type { ScanRequest } from '../artifact-scanner.ts';

/** Bytes to be pushed, as the image builder of libs/testing makes them. */
export interface PushedImage {
  readonly manifest: { readonly bytes: Buffer; readonly mediaType: string; readonly digest: string };
  readonly blobs: readonly { readonly digest: string; readonly bytes: Buffer }[];
}

/** Counts the layers that were really read. */
export class CountingLayerReader extends LayerReader {
  readonly digests: string[] = [];
  readonly #inner = new InlineLayerReader({ maxRatio: 50, ratioFreeBytes: 2 ** 20 });

  read(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerReading> {
    this.digests.push(blob.digest);
    return this.#inner.read(blob, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** A database and a blob storage with content as pushes leave it, without anything that pushes. */
export class ScanLab {
  readonly database: TestDatabase;
  readonly blobs = new MemoryBlobStorage();
  readonly layers = new CountingLayerReader();
  readonly inventories: PostgresInventoryStore;
  readonly advisories: PostgresAdvisoryStore;
  readonly #repositoryId: string;
  readonly #blobIds = new Map<string, string>();

  private constructor(database: TestDatabase, repositoryId: string) {
    this.database = database;
    this.inventories = new PostgresInventoryStore(database.source);
    this.advisories = new PostgresAdvisoryStore(database.source);
    this.#repositoryId = repositoryId;
  }

  static async create(): Promise<ScanLab> {
    const database = await createTestDatabase();
    const [project, repository] = [newId(), newId()];
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES ($1, 'project', 'team', ARRAY[$1::uuid])`,
      [project],
    );
    await database.source.query(`INSERT INTO repository (id, project_id, name) VALUES ($1, $2, 'team/app')`, [
      repository,
      project,
    ]);
    return new ScanLab(database, repository);
  }

  close(): Promise<void> {
    return this.database.close();
  }

  /** Forgets everything that was pushed, scanned or imported: cheaper than another database. */
  async reset(): Promise<void> {
    const { source } = this.database;
    await source.query(
      `TRUNCATE evidence, outbox, layer_record, layer_blob, inventory, inventory_package, advisory,
         advisory_affected, advisory_import, advisory_touched, manifest, blob, repository_blob CASCADE`,
    );
    await source.query('UPDATE advisory_state SET revision = 0, rematched_revision = 0');
    this.#blobIds.clear();
    this.layers.digests.length = 0;
  }

  /** What a job gets. */
  context(signal: AbortSignal = new AbortController().signal): WorkContext & { readonly steps: string[] } {
    const steps: string[] = [];
    return { signal, steps, progress: (done, total, unit) => steps.push(`${done}/${total} ${unit}`) };
  }

  async push(image: PushedImage, kind = 'image'): Promise<ScanRequest> {
    const { bytes, digest, mediaType } = image.manifest;
    const manifestId = newId();
    await this.database.source.query(
      `INSERT INTO manifest (id, repository_id, digest, media_type, kind, size, content)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [manifestId, this.#repositoryId, digest, mediaType, kind, bytes.length, bytes],
    );
    for (const [position, blob] of image.blobs.entries()) {
      await this.database.source.query(
        `INSERT INTO manifest_blob (manifest_id, position, role, blob_id, repository_id) VALUES ($1, $2, $3, $4, $5)`,
        [
          manifestId,
          position,
          position === 0 ? 'config' : 'layer',
          await this.#blob(blob),
          this.#repositoryId,
        ],
      );
    }
    return { digest, manifestId, repositoryId: this.#repositoryId };
  }

  async evidence(digest: string): Promise<ScanEvidence | null> {
    const rows = await this.database.source.query<{ payload: ScanEvidence }[]>(
      `SELECT payload FROM evidence WHERE digest = $1 AND kind = 'scan' AND repository_id IS NULL AND key = ''`,
      [digest],
    );
    return rows[0]?.payload ?? null;
  }

  async events(type: string): Promise<unknown[]> {
    const rows = await this.database.source.query<{ payload: unknown }[]>(
      'SELECT payload FROM outbox WHERE type = $1 ORDER BY seq',
      [type],
    );
    return rows.map((row) => row.payload);
  }

  async loseBlob(digest: string): Promise<void> {
    const rows = await this.database.source.query<{ object_key: string }[]>(
      'SELECT object_key FROM blob WHERE digest = $1',
      [digest],
    );
    for (const row of rows) await this.blobs.delete(row.object_key);
  }

  async #blob(blob: { digest: string; bytes: Buffer }): Promise<string> {
    const known = this.#blobIds.get(blob.digest);
    if (known !== undefined) return known;
    const key = this.blobs.newKey();
    const upload = await this.blobs.append({ key, offset: 0, state: null }, once(blob.bytes));
    await this.blobs.finish({ key, offset: upload.offset, state: upload.state });
    const id = newId();
    await this.database.source.query(
      'INSERT INTO blob (id, digest, size, object_key) VALUES ($1, $2, $3, $4)',
      [id, blob.digest, blob.bytes.length, key],
    );
    await this.database.source.query('INSERT INTO repository_blob (repository_id, blob_id) VALUES ($1, $2)', [
      this.#repositoryId,
      id,
    ]);
    this.#blobIds.set(blob.digest, id);
    return id;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes;
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
