import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Platform } from './platform.ts';

/** Runs a statement in the platform's own database, as an intruder or a bad restore would. */
export async function runSql<Row = unknown>(
  platform: Platform,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const postgres = join(platform.directory, 'data', 'postgres');
  const password = readFileSync(join(postgres, 'password'), 'utf8').trim();
  const port = readFileSync(join(postgres, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3];
  const client = new pg.Client({
    connectionString: `postgres://sluice:${password}@127.0.0.1:${port}/sluice`,
  });
  await client.connect();
  try {
    return (await client.query(statement, [...parameters])).rows as Row[];
  } finally {
    await client.end();
  }
}
