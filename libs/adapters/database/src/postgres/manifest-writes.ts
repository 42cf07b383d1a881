import { type Digest, OciError, referrersTag, type RepositoryName, type Tag } from '@sluice/domain/oci';
import type { Checkpoint } from '../ports/checkpoint.ts';
import { ManifestWrites, type NewManifest, type StoredPush } from '../ports/manifest-writes.ts';
import type { Database } from './database.ts';
import { storeManifest } from './manifest-push.ts';
import { writeEvent } from './outbox-writer.ts';
import { findRepository, type RepositoryLock, type RepositoryRow } from './registry-rows.ts';
import { queryRows } from './sql.ts';
import { inTransaction } from './transaction.ts';

/** Manifests and tags on PostgreSQL. */
export class PostgresManifestWrites extends ManifestWrites {
  readonly #source: Database;
  readonly #checkpoint: Checkpoint;

  constructor(source: Database, checkpoint: Checkpoint = () => undefined) {
    super();
    this.#source = source;
    this.#checkpoint = checkpoint;
  }

  async put(manifest: NewManifest): Promise<StoredPush> {
    const waits = manifest.manifest.form === 'index' || manifest.manifest.subject !== null;
    // Most manifests wait for nothing. The few others that do are stored in a second turn, with the other lock.
    const store = (lock: RepositoryLock): Promise<StoredPush | null> =>
      inTransaction(this.#source, (transaction) =>
        storeManifest(transaction, manifest, lock, () => this.#checkpoint('manifest.before-commit')),
      );
    const stored = (await store(waits ? 'exclusive' : 'shared')) ?? (await store('exclusive'));
    if (stored === null) throw new Error('the manifest was not stored');
    this.#checkpoint('manifest.after-commit');
    return stored;
  }

  async deleteTag(repository: RepositoryName, tag: Tag): Promise<boolean> {
    const rows = await queryRows<object>(
      this.#source,
      `DELETE FROM tag t USING repository r
       WHERE r.name = $1 AND t.repository_id = r.id AND t.name = $2 RETURNING t.name`,
      [repository, tag],
    );
    this.#checkpoint('tag.deleted');
    return rows.length > 0;
  }

  async deleteManifest(name: RepositoryName, digest: Digest): Promise<boolean> {
    const isDeleted = await this.#deleteManifest(name, digest);
    this.#checkpoint('manifest.deleted');
    return isDeleted;
  }

  #deleteManifest(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#source.transaction(async (runner) => {
      const repository = await findRepository(runner, name, 'exclusive');
      if (repository === null) return false;
      const [manifest] = await queryRows<{ id: string; subject_digest: Digest | null }>(
        runner,
        'SELECT id, subject_digest FROM manifest WHERE repository_id = $1 AND digest = $2 FOR UPDATE',
        [repository.id, digest],
      );
      if (manifest === undefined) return false;
      const [parent] = await queryRows<{ digest: string }>(
        runner,
        `SELECT p.digest FROM manifest_child c JOIN manifest p ON p.id = c.parent_id
         WHERE c.child_id = $1 AND c.parent_id <> $1 AND NOT ${LISTS_REFERRERS} LIMIT 1`,
        [manifest.id, ...listOf(repository, manifest)],
      );
      if (parent !== undefined) {
        throw new OciError(
          'UNSUPPORTED',
          `the manifest ${digest} belongs to the index ${parent.digest}: delete the index first`,
        );
      }
      await runner.query(
        `UPDATE manifest_child c SET child_id = NULL FROM manifest p
         WHERE p.id = c.parent_id AND c.child_id = $1 AND ${LISTS_REFERRERS}`,
        [manifest.id, ...listOf(repository, manifest)],
      );
      await runner.query('DELETE FROM manifest WHERE id = $1', [manifest.id]);
      await writeEvent(runner, 'artifact.deleted', `${name}@${digest}`, {
        repositoryId: repository.id,
        repository: name,
        projectId: repository.projectId,
        digest,
        subjectDigest: manifest.subject_digest,
      });
      this.#checkpoint('manifest.before-delete');
      return true;
    });
  }
}

/**
 * Whether the index `p` is no more than the list of referrers that clients keep under a tag where a registry has no
 * API for it: such a list does not hold what it names.
 */
const LISTS_REFERRERS = `EXISTS (
  SELECT FROM tag t WHERE t.repository_id = $2 AND t.name = $3 AND t.manifest_id = p.id)`;

/** The repository and the tag of {@link LISTS_REFERRERS} for what is listed. */
function listOf(
  repository: RepositoryRow,
  { subject_digest: subject }: { readonly subject_digest: Digest | null },
): readonly [string, string | null] {
  return [repository.id, subject === null ? null : referrersTag(subject)];
}
