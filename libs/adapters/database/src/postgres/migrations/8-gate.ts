import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What verdicts are collected by. */
export class Gate8 implements MigrationInterface {
  readonly name = 'Gate1700000000008';

  async up(runner: QueryRunner): Promise<void> {
    // Things that happened once and hold for ever, such as "advisory data was loaded": removing the data again does
    // not bring back the leniency of a new installation.
    await runner.query(
      `CREATE TABLE installation_fact (
         name text COLLATE "C" PRIMARY KEY,
         since timestamptz NOT NULL DEFAULT now()
       )`,
    );
    await runner.query(
      `CREATE INDEX evidence_no_data ON evidence (digest) WHERE kind = 'scan' AND payload ->> 'state' = 'no-data'`,
    );
    // Edges go in several ways (with their index, with its repository), and afterwards nobody can tell what they named.
    await runner.query(
      `CREATE FUNCTION note_children_released() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         INSERT INTO outbox (id, type, subject, payload)
         SELECT gen_random_uuid(), 'children.released', 'children of an index',
           jsonb_build_object('manifestIds', jsonb_agg(DISTINCT child_id))
         FROM gone WHERE child_id IS NOT NULL HAVING count(*) > 0;
         PERFORM pg_notify('sluice_outbox', '');
         RETURN NULL;
       END $$`,
    );
    await runner.query(
      `CREATE TRIGGER manifest_child_released AFTER DELETE ON manifest_child
       REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_children_released()`,
    );
  }

  async down(): Promise<void> {
    throw new Error('the gate schema cannot be migrated down: restore a backup instead');
  }
}
