import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the data plane needs to find the verdict over a blob in one step, and to join blobs that come late. */
export class Registry3 implements MigrationInterface {
  readonly name = 'Registry1700000000003';

  async up(runner: QueryRunner): Promise<void> {
    // A base layer is named by thousands of manifests in other repositories; those must not be looked at.
    await runner.query('ALTER TABLE manifest_blob ADD COLUMN repository_id uuid NOT NULL');
    await runner.query('CREATE INDEX manifest_blob_repository ON manifest_blob (repository_id, blob_id)');
    // Edges of manifests that were pushed before their blobs.
    await runner.query(
      `CREATE TABLE manifest_missing_blob (
         manifest_id uuid NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
         position integer NOT NULL,
         role text NOT NULL CHECK (role IN ('config', 'layer')),
         repository_id uuid NOT NULL,
         digest text COLLATE "C" NOT NULL,
         PRIMARY KEY (manifest_id, position)
       )`,
    );
    await runner.query(
      'CREATE INDEX manifest_missing_blob_digest ON manifest_missing_blob (repository_id, digest)',
    );
    // A writer vanished from the session; only the stored bytes can say what they are.
    await runner.query('ALTER TABLE upload_session ADD COLUMN must_rehash boolean NOT NULL DEFAULT false');
    await runner.query('CREATE INDEX upload_session_key ON upload_session (storage_key)');
  }

  async down(): Promise<void> {
    throw new Error('the registry schema cannot be migrated down: restore a backup instead');
  }
}
