import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * By which policies and trusted keys a verdict was judged. Changing those raises the revision of every repository that
 * they concern, in the same transaction; a verdict of an older revision is not let through any more, however long the
 * queue of what must be judged again is.
 */
export class Freshness9 implements MigrationInterface {
  readonly name = 'Freshness1700000000009';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE repository ADD COLUMN rules_revision bigint NOT NULL DEFAULT 0');
    await runner.query('ALTER TABLE verdict ADD COLUMN rules_revision bigint NOT NULL DEFAULT 0');
  }

  async down(): Promise<void> {
    throw new Error('the freshness of verdicts cannot be migrated down: restore a backup instead');
  }
}
