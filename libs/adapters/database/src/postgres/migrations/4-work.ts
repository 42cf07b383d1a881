import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes that claim jobs by kind, and the guard that one kind and key never run twice at once. */
export class Work4 implements MigrationInterface {
  readonly name = 'Work1700000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX job_due');
    await runner.query(`CREATE INDEX job_due ON job (kind, run_at, id) WHERE state = 'queued'`);
    await runner.query(`CREATE UNIQUE INDEX job_running_key ON job (kind, key) WHERE state = 'running'`);
    await runner.query(`CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL`);
    await runner.query(`CREATE INDEX outbox_relayed ON outbox (relayed_at) WHERE relayed_at IS NOT NULL`);
  }

  async down(): Promise<void> {
    throw new Error('the work schema cannot be migrated down: restore a backup instead');
  }
}
