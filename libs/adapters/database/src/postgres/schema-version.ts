import type { DataSource } from 'typeorm';
import { queryRows } from './sql.ts';

/**
 * Migrations come in two steps (ADR 10): what a release adds, the release before it leaves alone and can work with;
 * what a release takes away, the release before it no longer uses. A migration that takes something away is called
 * `Contract<number>`, by which an older program knows that it cannot work any more.
 */
const TAKES_AWAY = /^Contract\d+$/;

export interface NewerSchema {
  /** Migrations that this program does not know, oldest first. */
  readonly unknown: readonly string[];
  /** Whether one of them took away what this program uses. */
  readonly isBreaking: boolean;
}

/** Compares the schema with what this program knows; null when the database holds nothing newer. */
export async function findNewerSchema(source: DataSource): Promise<NewerSchema | null> {
  const known = new Set(source.migrations.map((migration) => migration.name ?? migration.constructor.name));
  const [table] = await queryRows<{ name: string | null }>(
    source,
    `SELECT to_regclass('schema_migration')::text AS name`,
    [],
  );
  if (table?.name === null) return null;
  const rows = await queryRows<{ name: string }>(source, 'SELECT name FROM schema_migration ORDER BY id', []);
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name));
  return unknown.length === 0 ? null : { unknown, isBreaking: unknown.some((name) => TAKES_AWAY.test(name)) };
}
