import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What lists of artifacts are read by: newest first, of one repository. */
export class Catalog5 implements MigrationInterface {
  readonly name = 'Catalog1700000000005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX manifest_repository ON manifest (repository_id, id)`);
  }

  async down(): Promise<void> {
    throw new Error('the catalog schema cannot be migrated down: restore a backup instead');
  }
}
