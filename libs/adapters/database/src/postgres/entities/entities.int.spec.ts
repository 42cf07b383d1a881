import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../testing/index.ts';

interface ColumnRow {
  column_name: string;
  is_nullable: 'YES' | 'NO';
  udt_name: string;
}

/** What PostgreSQL calls the types of the entities. */
const TYPES: Record<string, string> = { boolean: 'bool', integer: 'int4', bigint: 'int8' };

describe('the entities', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.close());

  it('have exactly the columns of their tables, with their types', async () => {
    expect(database.source.entityMetadatas.length).toBeGreaterThan(0);
    for (const { tableName, columns } of database.source.entityMetadatas) {
      const rows = await database.source.query<ColumnRow[]>(
        `SELECT column_name, is_nullable, udt_name FROM information_schema.columns
         WHERE table_name = $1 AND table_schema = 'public'`,
        [tableName],
      );
      const stored = rows.map(
        (row) => `${row.column_name} ${row.udt_name} ${row.is_nullable === 'YES' ? 'null' : ''}`,
      );
      const declared = columns.map(({ databaseName, type, isArray, isNullable }) => {
        const name = typeof type === 'string' ? (TYPES[type] ?? type) : 'undeclared';
        return `${databaseName} ${isArray ? '_' : ''}${name} ${isNullable ? 'null' : ''}`;
      });
      expect(declared.toSorted(), tableName).toEqual(stored.toSorted());
    }
  });
});
