import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { migrate } from './data-source.ts';

describe('the schema', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.close());

  it('is complete after one migration run: a second run finds nothing to do', async () => {
    expect(await migrate(database.source)).toEqual([]);
  });

  it('orders tags and repository names by bytes (COLLATE "C")', async () => {
    const rows = await database.source.query<{ table_name: string; collation_name: string }[]>(
      `SELECT table_name, collation_name FROM information_schema.columns
       WHERE (table_name, column_name) IN (('tag', 'name'), ('repository', 'name')) ORDER BY 1`,
    );
    expect(rows.map((row) => row.collation_name)).toEqual(['C', 'C']);
  });
});
