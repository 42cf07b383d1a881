import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Until when a queued job counts as sent on to a message broker. Null: nobody has, or what was sent may be lost. The
 * broker's loss is made good from here; nothing else depends on it.
 */
export class Dispatch12 implements MigrationInterface {
  readonly name = 'Dispatch1700000000012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE job ADD COLUMN dispatched_until timestamptz');
    await runner.query(
      `CREATE INDEX job_undispatched ON job (kind, run_at, id) WHERE state = 'queued' AND dispatched_until IS NULL`,
    );
    await runner.query(
      `CREATE INDEX job_dispatched ON job (dispatched_until) WHERE state = 'queued' AND dispatched_until IS NOT NULL`,
    );
  }

  async down(): Promise<void> {
    throw new Error('the dispatch schema cannot be migrated down: restore a backup instead');
  }
}
