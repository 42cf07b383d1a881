import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Makes the audit log append-only for everybody who is not allowed to drop triggers, and lists fast. */
export class Audit6 implements MigrationInterface {
  readonly name = 'Audit1700000000006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         RAISE EXCEPTION 'audit events are append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
       END $$`,
    );
    await runner.query(
      `CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()`,
    );
    await runner.query(`CREATE INDEX audit_event_resource ON audit_event (resource text_pattern_ops, seq)`);
    await runner.query(`CREATE INDEX audit_event_actor ON audit_event (actor, seq)`);
    await runner.query(`CREATE INDEX denial_repository ON denial (repository, id)`);
  }

  async down(): Promise<void> {
    throw new Error('the audit schema cannot be migrated down: restore a backup instead');
  }
}
