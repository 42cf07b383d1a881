import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Tells every process that remembers reads what else takes something away, now that blobs are remembered as well and
 * tokens may hold by the visibility of a project alone; see migration 14.
 */
export class PullMemory15 implements MigrationInterface {
  readonly name = 'PullMemory1700000000015';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...FUNCTIONS, ...TRIGGERS]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the coherence of reads cannot be migrated down: restore a backup instead');
  }
}

const FUNCTIONS = [
  `CREATE FUNCTION forget_project() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('sluice_reads', 'repository:' || id) FROM repository WHERE project_id = OLD.id;
     RETURN NULL;
   END $$`,
  `CREATE FUNCTION forget_blob() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('sluice_reads', 'repository:' || repository_id) FROM repository_blob WHERE blob_id = OLD.id;
     RETURN NULL;
   END $$`,
];

const TRIGGERS = [
  `CREATE TRIGGER project_changed AFTER UPDATE ON node FOR EACH ROW
   WHEN (OLD.visibility IS DISTINCT FROM NEW.visibility OR OLD.blob_downloads IS DISTINCT FROM NEW.blob_downloads)
   EXECUTE FUNCTION forget_project()`,
  `CREATE TRIGGER blob_unlinked AFTER DELETE ON repository_blob FOR EACH ROW
   EXECUTE FUNCTION forget_repository('repository_id')`,
  `CREATE TRIGGER blob_changed AFTER UPDATE ON blob FOR EACH ROW
   WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.object_key IS DISTINCT FROM NEW.object_key)
   EXECUTE FUNCTION forget_blob()`,
];
