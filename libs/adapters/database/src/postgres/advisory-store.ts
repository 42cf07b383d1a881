import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import {
  type AdvisoryEntry,
  type AdvisoryImport,
  type AdvisorySource,
  type AdvisoryStatus,
  AdvisoryStore,
  type ImportedFile,
} from '../ports/advisory-store.ts';
import { IMPORT_LOCK } from './advisory-locks.ts';
import { AdvisoryWriter } from './advisory-writer.ts';
import { writeEvent } from './outbox-writer.ts';
import { queryRows } from './sql.ts';

/** So often an import asks whether the one before it has ended. To wait inside a statement is to be given up as silent. */
const LOCK_POLL_MS = 500;

export class PostgresAdvisoryStore extends AdvisoryStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  import(
    read: (write: (entries: readonly AdvisoryEntry[]) => Promise<void>) => Promise<ImportedFile>,
  ): Promise<AdvisoryImport> {
    return this.#source.transaction(async (manager) => {
      while (!(await tryLock(manager))) await sleep(LOCK_POLL_MS);
      const revision = (await selectStatus(manager)).revision + 1;
      const writer = new AdvisoryWriter(manager, revision);
      const file = await read((entries) => writer.write(entries));
      const { added, changed, withdrawn, unchanged } = writer.counts;
      const result = await insertImport(manager, {
        ...file,
        revision,
        added,
        changed,
        withdrawn,
        unchanged,
        importedAt: new Date(),
      });
      await manager.query('UPDATE advisory_state SET revision = $1', [revision]);
      if (added + changed > 0) {
        await writeEvent(manager, 'advisories.changed', `advisory revision ${revision}`, { revision });
      }
      return result;
    });
  }

  status(): Promise<AdvisoryStatus> {
    return selectStatus(this.#source);
  }

  async imports(limit: number): Promise<AdvisoryImport[]> {
    const rows = await queryRows<ImportRow>(
      this.#source,
      'SELECT * FROM advisory_import ORDER BY revision DESC LIMIT $1',
      [limit],
    );
    return rows.map(toImport);
  }

  sources(): Promise<AdvisorySource[]> {
    return queryRows<AdvisorySource>(
      this.#source,
      `SELECT s.ecosystem, s.records, s.newest, i.imported_at AS "importedAt"
       FROM (
         SELECT split_part(f.ecosystem, ':', 1) AS ecosystem, count(DISTINCT a.key)::integer AS records,
           max(a.modified) FILTER (WHERE a.modified <= now()) AS newest
         FROM advisory_affected f JOIN advisory a ON a.key = f.advisory_key
         WHERE a.withdrawn IS NULL GROUP BY 1
       ) s
       LEFT JOIN LATERAL (
         SELECT max(imported_at) AS imported_at FROM advisory_import WHERE ecosystems ? s.ecosystem
       ) i ON true
       ORDER BY s.ecosystem`,
    );
  }

  async touchedDigests(revision: number, after: string | null, limit: number): Promise<string[]> {
    const rows = await queryRows<{ digest: string }>(
      this.#source,
      `SELECT digest FROM (
         SELECT p.digest FROM inventory_package p
           JOIN advisory_touched t ON t.ecosystem = p.ecosystem AND t.name = p.name
           WHERE t.revision <= $1
         UNION
         SELECT i.digest FROM inventory i WHERE i.uncovered && (
           SELECT coalesce(array_agg(DISTINCT ecosystem), '{}') FROM advisory_touched WHERE revision <= $1)
       ) touched
       WHERE ($2::text IS NULL OR digest > $2 COLLATE "C")
         AND EXISTS (SELECT FROM manifest m WHERE m.digest = touched.digest)
       ORDER BY digest LIMIT $3`,
      [revision, after, limit],
    );
    return rows.map((row) => row.digest);
  }

  async noteRematched(revision: number): Promise<void> {
    await this.#source.transaction(async (manager) => {
      await manager.query('UPDATE advisory_state SET rematched_revision = greatest(rematched_revision, $1)', [
        revision,
      ]);
      await manager.query('DELETE FROM advisory_touched WHERE revision <= $1', [revision]);
    });
  }
}

async function tryLock(manager: EntityManager): Promise<boolean> {
  const [row] = await queryRows<{ taken: boolean }>(
    manager,
    'SELECT pg_try_advisory_xact_lock($1) AS taken',
    [IMPORT_LOCK],
  );
  return row?.taken === true;
}

async function selectStatus(runner: DataSource | EntityManager): Promise<AdvisoryStatus> {
  const [row] = await queryRows<{ revision: string; rematched_revision: string }>(
    runner,
    'SELECT revision, rematched_revision FROM advisory_state',
  );
  return {
    revision: Number(row?.revision ?? 0),
    rematchedRevision: Number(row?.rematched_revision ?? 0),
  };
}

interface ImportRow {
  /** bigint comes as text */
  revision: string;
  file: string;
  sha256: string;
  records: number;
  added: number;
  changed: number;
  withdrawn: number;
  unchanged: number;
  faulty: number;
  faults: string[];
  ecosystems: Record<string, number>;
  newest_modified: Date | null;
  imported_at: Date;
}

function toImport(row: ImportRow): AdvisoryImport {
  return {
    revision: Number(row.revision),
    name: row.file,
    sha256: row.sha256,
    records: row.records,
    added: row.added,
    changed: row.changed,
    withdrawn: row.withdrawn,
    unchanged: row.unchanged,
    faulty: row.faulty,
    faults: row.faults,
    ecosystems: row.ecosystems,
    newestModified: row.newest_modified?.toISOString() ?? null,
    importedAt: row.imported_at,
  };
}

async function insertImport(manager: EntityManager, entry: AdvisoryImport): Promise<AdvisoryImport> {
  await manager.query(
    `INSERT INTO advisory_import (revision, file, sha256, records, added, changed, withdrawn, unchanged, faulty,
       faults, ecosystems, newest_modified, imported_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      entry.revision,
      entry.name,
      entry.sha256,
      entry.records,
      entry.added,
      entry.changed,
      entry.withdrawn,
      entry.unchanged,
      entry.faulty,
      JSON.stringify(entry.faults),
      JSON.stringify(entry.ecosystems),
      entry.newestModified,
      entry.importedAt,
    ],
  );
  return entry;
}
