import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Envelopes of encrypted objects, and domains of keys: content is shared within a domain and never across.
 *
 * `blob_live_digest` stays for now, because the version before this one names it (ON CONFLICT). The first node that
 * gets a domain drops it, which is why all replicas must run this version by then (docs/adr/0008-encrypted-storage.md).
 */
export class KeyDomains11 implements MigrationInterface {
  readonly name = 'KeyDomains1700000000011';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('key domains cannot be migrated down: restore a backup instead');
  }
}

const STATEMENTS = [
  `CREATE TABLE object_key_envelope (
     -- as in blob and upload_session; the object outlives a session by a moment and comes before its blob
     object_key text COLLATE "C" PRIMARY KEY,
     key_domain text COLLATE "C" NOT NULL,
     key_id text COLLATE "C" NOT NULL,
     wrapped_key bytea NOT NULL,
     -- size and layout of the object, encrypted under its own key
     seal bytea NOT NULL
   )`,
  `CREATE INDEX object_key_envelope_key ON object_key_envelope (key_id, object_key)`,
  // null: as the node above says
  `ALTER TABLE node ADD COLUMN key_domain text COLLATE "C" CHECK (key_domain <> '')`,
  `ALTER TABLE repository ADD COLUMN key_domain text COLLATE "C" NOT NULL DEFAULT ''`,
  `ALTER TABLE blob ADD COLUMN key_domain text COLLATE "C" NOT NULL DEFAULT ''`,
  `CREATE UNIQUE INDEX blob_live_domain_digest ON blob (digest, key_domain) WHERE state = 'live'`,
];
