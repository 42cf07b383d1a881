import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../postgres/index.ts';

export const TEMPLATE_DATABASE = 'sluice_template';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly source: Database;
  /** Drops the database. */
  close(): Promise<void>;
}

/** A migrated, empty database for one spec file; call it in `beforeAll` and `close()` it in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('databaseServerUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE_DATABASE}`);
  const url = serverUrl.replace(/\/postgres$/, `/${name}`);
  const source = await openDatabase({ url, poolSize: 10 });
  const close = async (): Promise<void> => {
    await source.destroy();
    await administer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
  };
  return { url, source, close, [Symbol.asyncDispose]: close };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // Two spec files may clone the template at once, which PostgreSQL refuses; an advisory lock makes them queue.
    await client.query('SELECT pg_advisory_lock(1)');
    await client.query(statement);
  } finally {
    await client.end();
  }
}
