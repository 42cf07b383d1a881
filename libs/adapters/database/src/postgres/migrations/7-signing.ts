import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The keys whose signatures count, and the event of a signature tag that goes. */
export class Signing7 implements MigrationInterface {
  readonly name = 'Signing1700000000007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TABLE trusted_key (
         id uuid PRIMARY KEY,
         node_id uuid NOT NULL REFERENCES node (id) ON DELETE CASCADE,
         name text COLLATE "C" NOT NULL,
         algorithm text NOT NULL,
         pem text NOT NULL,
         -- hex SHA-256 of the SubjectPublicKeyInfo: equal for equal keys
         key_id text COLLATE "C" NOT NULL,
         created_by text NOT NULL,
         created_at timestamptz NOT NULL DEFAULT now(),
         UNIQUE (node_id, name),
         UNIQUE (node_id, key_id)
       )`,
    );
    await runner.query(
      `CREATE INDEX evidence_signature ON evidence (repository_id, digest) WHERE kind = 'signature'`,
    );
    // Tags go in several ways (by name, with their manifest, with their repository). The evidence of signatures behind
    // a .sig tag must go with it whichever it is, and no manifest event names the digest that was signed.
    await runner.query(
      `CREATE FUNCTION note_signature_tag_removed() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         INSERT INTO outbox (id, type, subject, payload)
         VALUES (gen_random_uuid(), 'signatures.removed', OLD.name, jsonb_build_object(
           'repositoryId', OLD.repository_id, 'digest', 'sha256:' || substr(OLD.name, 8, 64)));
         PERFORM pg_notify('sluice_outbox', '');
         RETURN NULL;
       END $$`,
    );
    await runner.query(
      `CREATE TRIGGER signature_tag_removed AFTER DELETE ON tag FOR EACH ROW
       WHEN (OLD.name ~ '^sha256-[0-9a-f]{64}\\.sig$') EXECUTE FUNCTION note_signature_tag_removed()`,
    );
  }

  async down(): Promise<void> {
    throw new Error('the signing schema cannot be migrated down: restore a backup instead');
  }
}
