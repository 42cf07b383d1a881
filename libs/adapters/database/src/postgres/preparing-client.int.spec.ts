import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PreparingClient } from './preparing-client.ts';

describe('a client that keeps statements', () => {
  let database: TestDatabase;
  let client: PreparingClient;
  beforeAll(async () => {
    database = await createTestDatabase();
    client = new PreparingClient({ connectionString: database.url });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.close();
  });

  async function kept(text: string): Promise<number> {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement = '${text.replaceAll("'", "''")}'`,
    );
    return rows[0]?.count ?? -1;
  }

  it('has PostgreSQL keep what comes again, and gives the same answers', async () => {
    const text = 'SELECT $1::int + 1 AS next';
    for (let i = 0; i < 6; i++) expect((await client.query(text, [i])).rows).toEqual([{ next: i + 1 }]);
    expect(await kept(text)).toBe(1);
  });

  it('does not keep what came once, or is put together for many values', async () => {
    const once = 'SELECT $1::int AS once';
    await client.query(once, [1]);
    const many = 'SELECT count(*)::int AS count FROM unnest($1::int[]) AS many';
    const values = Array.from({ length: 1_000 }, (_, index) => index);
    for (let i = 0; i < 6; i++) expect((await client.query(many, [values])).rows).toEqual([{ count: 1_000 }]);
    expect([await kept(once), await kept(many)]).toEqual([0, 0]);
  });

  it('goes on after a migration has changed what a statement returns', async () => {
    await client.query('CREATE TABLE growing (id int)');
    await client.query('INSERT INTO growing VALUES (1)');
    const text = 'SELECT * FROM growing WHERE id = $1';
    for (let i = 0; i < 6; i++) await client.query(text, [1]);
    await client.query(`ALTER TABLE growing ADD COLUMN name text DEFAULT 'x'`);
    await expect(client.query(text, [1])).rejects.toMatchObject({ code: '0A000' });
    expect((await client.query(text, [1])).rows).toEqual([{ id: 1, name: 'x' }]);
  });
});
