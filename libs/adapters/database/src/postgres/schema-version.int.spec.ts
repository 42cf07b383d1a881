import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { findNewerSchema } from './schema-version.ts';

describe('the schema of a database', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => database.close());

  const migrated = (name: string): Promise<unknown> =>
    database.source.query('INSERT INTO schema_migration (timestamp, name) VALUES (9999999999999, $1)', [
      name,
    ]);

  it('is not newer when this program made it', async () => {
    expect(await findNewerSchema(database.source)).toBeNull();
  });

  it('is not newer when there is none yet', async () => {
    await database.source.query('DROP TABLE schema_migration');
    expect(await findNewerSchema(database.source)).toBeNull();
  });

  it('is newer, and can still be worked with, when a newer release has added something', async () => {
    await migrated('Retention90');
    expect(await findNewerSchema(database.source)).toEqual({ unknown: ['Retention90'], isBreaking: false });
  });

  it('cannot be worked with when a newer release has taken something away', async () => {
    await migrated('Retention90');
    await migrated('Contract91');
    expect(await findNewerSchema(database.source)).toEqual({
      unknown: ['Retention90', 'Contract91'],
      isBreaking: true,
    });
  });
});
