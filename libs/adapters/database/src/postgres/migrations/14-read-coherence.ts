import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The channel on which processes hear what they must forget; see `PostgresReadCoherence`. */
const CHANNEL = 'sluice_reads';

/**
 * Tells every process that remembers reads what has changed. Triggers, and not the stores, so that no way of writing
 * can forget it, `psql` included. Only what takes something away is told: nobody remembers that something is missing
 * or refused.
 */
export class ReadCoherence14 implements MigrationInterface {
  readonly name = 'ReadCoherence1700000000014';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...READERS, ...FUNCTIONS, ...TRIGGERS]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the coherence of reads cannot be migrated down: restore a backup instead');
  }
}

const READERS = [
  // Processes that answer from memory, each until its row expires. Logged, because the server may be up again after a
  // crash, or another one in its place, before a process that it knew has ended its lease.
  `CREATE TABLE reader (
     id uuid PRIMARY KEY,
     expires_at timestamptz NOT NULL
   )`,
];

const FUNCTIONS = [
  `CREATE FUNCTION forget_repository() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('${CHANNEL}', 'repository:' || (to_jsonb(OLD) ->> TG_ARGV[0]));
     RETURN NULL;
   END $$`,
  `CREATE FUNCTION forget_judged() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('${CHANNEL}', 'repository:' || repository_id) FROM manifest WHERE id = OLD.manifest_id;
     RETURN NULL;
   END $$`,
  `CREATE FUNCTION forget_principal() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN
     PERFORM pg_notify('${CHANNEL}', 'principal:' || OLD.id);
     RETURN NULL;
   END $$`,
];

const TRIGGERS = [
  `CREATE TRIGGER tag_moved AFTER UPDATE ON tag FOR EACH ROW
   WHEN (OLD.manifest_id IS DISTINCT FROM NEW.manifest_id OR OLD.name IS DISTINCT FROM NEW.name
     OR OLD.repository_id IS DISTINCT FROM NEW.repository_id)
   EXECUTE FUNCTION forget_repository('repository_id')`,
  `CREATE TRIGGER tag_deleted AFTER DELETE ON tag FOR EACH ROW EXECUTE FUNCTION forget_repository('repository_id')`,
  `CREATE TRIGGER manifest_deleted AFTER DELETE ON manifest FOR EACH ROW
   EXECUTE FUNCTION forget_repository('repository_id')`,
  `CREATE TRIGGER repository_changed AFTER UPDATE ON repository FOR EACH ROW
   WHEN (OLD.rules_revision IS DISTINCT FROM NEW.rules_revision OR OLD.name IS DISTINCT FROM NEW.name
     OR OLD.project_id IS DISTINCT FROM NEW.project_id)
   EXECUTE FUNCTION forget_repository('id')`,
  `CREATE TRIGGER repository_deleted AFTER DELETE ON repository FOR EACH ROW EXECUTE FUNCTION forget_repository('id')`,
  `CREATE TRIGGER verdict_changed AFTER UPDATE ON verdict FOR EACH ROW
   WHEN (OLD.state IN ('green', 'amber')
     AND (OLD.state IS DISTINCT FROM NEW.state OR OLD.summary IS DISTINCT FROM NEW.summary))
   EXECUTE FUNCTION forget_judged()`,
  `CREATE TRIGGER verdict_deleted AFTER DELETE ON verdict FOR EACH ROW EXECUTE FUNCTION forget_judged()`,
  `CREATE TRIGGER principal_changed AFTER UPDATE ON principal FOR EACH ROW
   WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at
     OR OLD.expires_at IS DISTINCT FROM NEW.expires_at)
   EXECUTE FUNCTION forget_principal()`,
  `CREATE TRIGGER principal_deleted AFTER DELETE ON principal FOR EACH ROW EXECUTE FUNCTION forget_principal()`,
];
