import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tells every process that remembers reads when the visibility of a project changes; see migration 14. */
export class Visibility15 implements MigrationInterface {
  readonly name = 'Visibility1700000000015';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE FUNCTION forget_project() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         PERFORM pg_notify('sluice_reads', 'repository:' || id) FROM repository WHERE project_id = OLD.id;
         RETURN NULL;
       END $$`,
    );
    await runner.query(
      `CREATE TRIGGER visibility_changed AFTER UPDATE ON node FOR EACH ROW
       WHEN (OLD.visibility IS DISTINCT FROM NEW.visibility) EXECUTE FUNCTION forget_project()`,
    );
  }

  async down(): Promise<void> {
    throw new Error('the coherence of visibility cannot be migrated down: restore a backup instead');
  }
}
