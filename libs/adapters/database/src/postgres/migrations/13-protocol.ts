import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whether a project takes incomplete manifests, referrers of one type without looking at the others, and uploads in
 * chunks that any process can go on hashing.
 */
export class Protocol13 implements MigrationInterface {
  readonly name = 'Protocol1700000000013';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE node ADD COLUMN missing_blobs text NOT NULL DEFAULT 'refuse'
         CHECK (missing_blobs IN ('refuse', 'accept'))`,
    );
    await runner.query(
      `CREATE INDEX manifest_subject_type ON manifest (repository_id, subject_digest, artifact_type, digest)
         WHERE subject_digest IS NOT NULL`,
    );
    // State of the hash of the bytes [0, offset); null when only the digest of them is known, or nothing.
    await runner.query('ALTER TABLE upload_session ADD COLUMN hash_state bytea');
  }

  async down(): Promise<void> {
    throw new Error('what the protocol needs cannot be migrated down: restore a backup instead');
  }
}
