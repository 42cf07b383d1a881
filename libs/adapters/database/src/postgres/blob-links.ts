import { type Digest, OciError, type RepositoryName } from '@sluice/domain/oci';
import type { DataSource } from 'typeorm';
import type { Checkpoint } from '../ports/checkpoint.ts';
import { BlobLinks } from '../ports/blob-links.ts';
import { ensureRepository, findRepository, linkBlob } from './registry-rows.ts';
import { queryRows } from './sql.ts';

/** Links and leases of blobs on PostgreSQL. */
export class PostgresBlobLinks extends BlobLinks {
  readonly #source: DataSource;
  readonly #checkpoint: Checkpoint;

  constructor(source: DataSource, checkpoint: Checkpoint = () => undefined) {
    super();
    this.#source = source;
    this.#checkpoint = checkpoint;
  }

  async mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName,
    leaseSeconds: number,
  ): Promise<boolean> {
    return this.#source.transaction(async (runner) => {
      const target = await ensureRepository(runner, repository, 'shared');
      const [blob] = await queryRows<{ id: string }>(
        runner,
        `SELECT b.id FROM blob b
         JOIN repository_blob rb ON rb.blob_id = b.id JOIN repository r ON r.id = rb.repository_id
         WHERE r.name = $1 AND b.digest = $2 AND b.state = 'live'
           AND b.key_domain = (SELECT key_domain FROM repository WHERE id = $3) FOR KEY SHARE OF b`,
        [from, digest, target.id],
      );
      if (blob === undefined) return false;
      await linkBlob(runner, target.id, { id: blob.id, digest }, leaseSeconds);
      return true;
    });
  }

  async lease(blobId: string, seconds: number): Promise<boolean> {
    const rows = await queryRows<object>(
      this.#source,
      `WITH live AS (SELECT id FROM blob WHERE id = $1 AND state = 'live' FOR KEY SHARE)
       INSERT INTO lease (blob_id, expires_at) SELECT id, now() + make_interval(secs => $2) FROM live
       ON CONFLICT (blob_id) DO UPDATE SET expires_at = greatest(lease.expires_at, EXCLUDED.expires_at)
       RETURNING blob_id`,
      [blobId, seconds],
    );
    return rows.length > 0;
  }

  async unlink(name: RepositoryName, digest: Digest): Promise<boolean> {
    const isUnlinked = await this.#unlink(name, digest);
    this.#checkpoint('blob.deleted');
    return isUnlinked;
  }

  #unlink(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#source.transaction(async (runner) => {
      const repository = await findRepository(runner, name, 'exclusive');
      if (repository === null) return false;
      const [user] = await queryRows<{ digest: string }>(
        runner,
        `SELECT m.digest FROM manifest_blob mb
         JOIN blob b ON b.id = mb.blob_id JOIN manifest m ON m.id = mb.manifest_id
         WHERE mb.repository_id = $1 AND b.digest = $2 LIMIT 1`,
        [repository.id, digest],
      );
      if (user !== undefined) {
        throw new OciError(
          'UNSUPPORTED',
          `the blob ${digest} is used by the manifest ${user.digest}: delete the manifest first`,
        );
      }
      const rows = await queryRows<object>(
        runner,
        `DELETE FROM repository_blob rb USING blob b
         WHERE rb.repository_id = $1 AND b.id = rb.blob_id AND b.digest = $2 RETURNING b.id`,
        [repository.id, digest],
      );
      this.#checkpoint('blob.before-delete');
      return rows.length > 0;
    });
  }
}
