import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether clients of a project fetch blobs from Sluice or from the object store itself. */
export class BlobRedirects10 implements MigrationInterface {
  readonly name = 'BlobRedirects1700000000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE node ADD COLUMN blob_downloads text NOT NULL DEFAULT 'proxy'
         CHECK (blob_downloads IN ('proxy', 'redirect'))`,
    );
  }

  async down(): Promise<void> {
    throw new Error('redirects cannot be migrated down: restore a backup instead');
  }
}
