import type { Digest, DigestAlgorithm, RepositoryName } from '@sluice/domain/oci';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type AcquiredSession,
  type AcquireOptions,
  type FinishedUpload,
  type NewUploadSession,
  type UploadProgress,
  type UploadSession,
  UploadSessions,
} from '../ports/upload-sessions.ts';
import type { StatementRunner } from '../statement-runner.ts';
import type { NamedStatement, PipelinedConnections } from './pipelined-connections.ts';
import { ensureRepository, linkBlob } from './registry-rows.ts';
import { queryRows } from './sql.ts';

interface SessionRow {
  id: string;
  repository_id: string;
  storage_key: string;
  parts: unknown;
  offset_bytes: string;
  algorithm: string;
  prefix_digest: string | null;
  hash_state: Buffer | null;
  writer: string | null;
  writer_until: Date | null;
  must_rehash: boolean;
}

const NAMES = [
  'id',
  'repository_id',
  'storage_key',
  'parts',
  'offset_bytes',
  'algorithm',
  'prefix_digest',
  'hash_state',
  'writer',
  'writer_until',
  'must_rehash',
] as const;
const COLUMNS = NAMES.map((column) => `s.${column}`).join(', ');

/**
 * No rows when nobody has pushed to the repository yet. The commit does not wait for the disk: a session is all that a
 * crash of PostgreSQL within the next moment may take, and only before it holds a byte, because whatever is committed
 * after it brings it to the disk, too. The client then begins the upload again.
 */
const CREATE: NamedStatement = {
  name: 'upload-create',
  text: `INSERT INTO upload_session AS s
      (id, repository_id, principal_id, storage_key, algorithm, writer, parts, expires_at)
    SELECT $1, id, $2, $3, $4, $5, 'null', now() + make_interval(secs => $6)
    FROM repository, set_config('synchronous_commit', 'off', true) WHERE name = $7
    RETURNING ${COLUMNS}`,
};

/** A session is reserved while it has a writer that does not write. */
const ACQUIRE: NamedStatement = {
  name: 'upload-acquire',
  text: `WITH found AS (
      SELECT s.id, s.storage_key, s.state = 'open' AND s.writer IS NOT NULL AS is_reserved
      FROM upload_session s JOIN repository r ON r.id = s.repository_id
      WHERE s.id = $1 AND r.name = $2 FOR UPDATE OF s)
    UPDATE upload_session s SET state = 'writing', writer = $3, writer_until = now() + make_interval(secs => $4),
      must_rehash = s.must_rehash OR s.state <> 'open',
      storage_key = CASE WHEN found.is_reserved THEN $5 ELSE s.storage_key END
    FROM found
    WHERE s.id = found.id AND s.expires_at > now() AND (s.state = 'open' OR s.writer_until < now())
    RETURNING ${COLUMNS}, CASE WHEN found.is_reserved THEN found.storage_key END`,
};

/** In the order of registry-rows.ts: with the repository locked, nobody can begin to wait for the blob. */
const LOCK_SESSION: NamedStatement = {
  name: 'upload-lock',
  text: `SELECT s.id FROM upload_session s JOIN repository r ON r.id = s.repository_id
    WHERE s.id = $1 AND s.writer = $2 FOR UPDATE OF s FOR SHARE OF r`,
};

/**
 * A statement of its own, as it must see what was written while {@link LOCK_SESSION} waited. Key domains go the long
 * way, where their envelopes are checked.
 */
const COMMIT_NEW: NamedStatement = {
  name: 'upload-commit-new',
  text: `WITH session AS (
      SELECT s.id, s.repository_id, s.storage_key
      FROM upload_session s JOIN repository r ON r.id = s.repository_id
      WHERE s.id = $1 AND s.writer = $2 AND r.key_domain = ''
        AND NOT EXISTS (SELECT 1 FROM manifest_missing_blob x WHERE x.repository_id = r.id AND x.digest = $4)),
    stored AS (
      INSERT INTO blob (id, digest, size, object_key, key_domain)
      SELECT $3, $4, $5, storage_key, '' FROM session ON CONFLICT DO NOTHING RETURNING id, object_key),
    linked AS (
      INSERT INTO repository_blob (repository_id, blob_id)
      SELECT session.repository_id, stored.id FROM session, stored),
    leased AS (
      INSERT INTO lease (blob_id, expires_at) SELECT id, now() + make_interval(secs => $6) FROM stored),
    ended AS (
      DELETE FROM upload_session s USING stored WHERE s.id = $1)
    SELECT object_key FROM stored`,
};

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Upload sessions on PostgreSQL. */
export class PostgresUploadSessions extends UploadSessions {
  readonly #source: DataSource;
  readonly #writes: PipelinedConnections;

  /** @param writes for the transaction of every push, in one round trip */
  constructor(source: DataSource, writes: PipelinedConnections) {
    super();
    this.#source = source;
    this.#writes = writes;
  }

  async create(session: NewUploadSession): Promise<UploadSession> {
    const parameters = [
      newId(),
      session.principalId,
      session.storageKey,
      session.algorithm,
      session.reservedFor,
      session.ttlSeconds,
    ];
    const [created] = await this.#writes.write(CREATE, [...parameters, session.repository]);
    if (created !== undefined) return toSession(named(created));
    // In one transaction, so that nobody finds the repository before it has the key domain of its project.
    const repository = await this.#source.transaction((runner) =>
      ensureRepository(runner, session.repository),
    );
    const rows = await queryRows<SessionRow>(
      this.#source,
      `INSERT INTO upload_session AS s
         (id, repository_id, principal_id, storage_key, algorithm, writer, parts, expires_at)
       VALUES ($1, $7, $2, $3, $4, $5, 'null', now() + make_interval(secs => $6)) RETURNING ${COLUMNS}`,
      [...parameters, repository.id],
    );
    return toSession(only(rows));
  }

  async find(id: string, repository: RepositoryName): Promise<UploadSession | null> {
    if (!UUID.test(id)) return null;
    const rows = await queryRows<SessionRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM upload_session s JOIN repository r ON r.id = s.repository_id
       WHERE s.id = $1 AND r.name = $2 AND s.expires_at > now()`,
      [id, repository],
    );
    return rows[0] === undefined ? null : toSession(rows[0]);
  }

  async acquire(
    id: string,
    repository: RepositoryName,
    { writer, leaseSeconds, storageKey }: AcquireOptions,
  ): Promise<AcquiredSession | 'busy' | null> {
    if (!UUID.test(id)) return null;
    const [acquired] = await this.#writes.write(ACQUIRE, [id, repository, writer, leaseSeconds, storageKey]);
    if (acquired !== undefined) {
      return {
        session: toSession(named(acquired)),
        abandonedKey: acquired[NAMES.length] as string | null,
      };
    }
    return (await this.find(id, repository)) === null ? null : 'busy';
  }

  async renew(id: string, writer: string, leaseSeconds: number): Promise<boolean> {
    const rows = await queryRows<object>(
      this.#source,
      `UPDATE upload_session SET writer_until = now() + make_interval(secs => $3),
         expires_at = greatest(expires_at, now() + make_interval(secs => $3))
       WHERE id = $1 AND writer = $2 RETURNING id`,
      [id, writer, leaseSeconds],
    );
    return rows.length > 0;
  }

  async record(id: string, writer: string, progress: UploadProgress, ttlSeconds: number): Promise<boolean> {
    const rows = await queryRows<object>(
      this.#source,
      `UPDATE upload_session SET offset_bytes = $3, parts = $4, prefix_digest = $5, hash_state = $6, state = 'open',
         writer = NULL, writer_until = NULL, expires_at = now() + make_interval(secs => $7)
       WHERE id = $1 AND writer = $2 RETURNING id`,
      [
        id,
        writer,
        progress.offsetBytes,
        JSON.stringify(progress.storageState),
        progress.prefixDigest,
        progress.hashState,
        ttlSeconds,
      ],
    );
    return rows.length > 0;
  }

  async release(id: string, writer: string): Promise<void> {
    await this.#source.query(
      `UPDATE upload_session SET state = 'open', writer = NULL, writer_until = NULL WHERE id = $1 AND writer = $2`,
      [id, writer],
    );
  }

  async commit(id: string, writer: string, blob: FinishedUpload): Promise<string | null> {
    return (await this.#commitNew(id, writer, blob)) ?? (await this.#commitAny(id, writer, blob));
  }

  /** For content that is new, which most is, and that nothing waits for. Null when it is not; nothing is done then. */
  async #commitNew(id: string, writer: string, blob: FinishedUpload): Promise<string | null> {
    const [, rows] = await this.#writes.transaction([
      { statement: LOCK_SESSION, values: [id, writer] },
      {
        statement: COMMIT_NEW,
        values: [id, writer, newId(), blob.digest, blob.sizeBytes, blob.leaseSeconds],
      },
    ]);
    return (rows?.[0]?.[0] as string | undefined) ?? null;
  }

  async #commitAny(id: string, writer: string, blob: FinishedUpload): Promise<string | null> {
    return this.#source.transaction(async (runner) => {
      const [session] = await queryRows<{ repository_id: string; storage_key: string }>(
        runner,
        'SELECT repository_id, storage_key FROM upload_session WHERE id = $1 AND writer = $2 FOR UPDATE',
        [id, writer],
      );
      if (session === undefined) return null;
      const [repository] = await queryRows<{ key_domain: string }>(
        runner,
        'SELECT key_domain FROM repository WHERE id = $1 FOR SHARE',
        [session.repository_id],
      );
      if (repository === undefined) return null;
      const { blobId, objectKey } = await ensureBlob(
        runner,
        blob,
        session.storage_key,
        repository.key_domain,
      );
      await linkBlob(runner, session.repository_id, { id: blobId, digest: blob.digest }, blob.leaseSeconds);
      await runner.query(
        objectKey === session.storage_key
          ? 'DELETE FROM upload_session WHERE id = $1'
          : `UPDATE upload_session SET state = 'open', writer = NULL, writer_until = NULL, expires_at = now()
             WHERE id = $1`,
        [id],
      );
      return objectKey;
    });
  }

  async mend(id: string, digest: Digest, lostKey: string, key: string): Promise<boolean> {
    const rows = await queryRows<object>(
      this.#source,
      `WITH session AS (
         SELECT id FROM upload_session WHERE id = $1 AND storage_key = $4 AND writer IS NULL FOR UPDATE),
       mended AS (
         UPDATE blob b SET object_key = $4 FROM session
         WHERE b.digest = $2 AND b.object_key = $3 AND b.state = 'live' AND (b.key_domain = '' OR EXISTS (
           SELECT FROM object_key_envelope e WHERE e.object_key = $4 AND e.key_domain = b.key_domain))
         RETURNING b.id)
       DELETE FROM upload_session s USING mended WHERE s.id = $1 RETURNING s.id`,
      [id, digest, lostKey, key],
    );
    return rows.length > 0;
  }

  async remove(id: string, repository: RepositoryName | null): Promise<UploadSession | null> {
    if (!UUID.test(id)) return null;
    const rows = await queryRows<SessionRow>(
      this.#source,
      `DELETE FROM upload_session s USING repository r
       WHERE s.id = $1 AND r.id = s.repository_id
         AND ($2::text IS NULL OR (r.name = $2 AND s.expires_at > now()))
       RETURNING ${COLUMNS}`,
      [id, repository],
    );
    return rows[0] === undefined ? null : toSession(rows[0]);
  }

  async takeExpired(limit: number, leaseSeconds: number): Promise<UploadSession[]> {
    const rows = await queryRows<SessionRow>(
      this.#source,
      `UPDATE upload_session s SET state = 'writing', writer = gen_random_uuid(),
         writer_until = now() + make_interval(secs => $2)
       WHERE s.id IN (
         SELECT id FROM upload_session
         WHERE expires_at <= now() AND (writer_until IS NULL OR writer_until < now())
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [limit, leaseSeconds],
    );
    return rows.map(toSession);
  }

  async knownKeys(storageKeys: readonly string[]): Promise<Set<string>> {
    const rows = await queryRows<{ key: string }>(
      this.#source,
      `SELECT storage_key AS key FROM upload_session WHERE storage_key = ANY ($1)
       UNION SELECT object_key FROM blob WHERE object_key = ANY ($1)`,
      [storageKeys],
    );
    return new Set(rows.map(({ key }) => key));
  }
}

/** The live blob of that digest in the key domain: one that exists, or a new one with this object. */
async function ensureBlob(
  runner: StatementRunner,
  blob: FinishedUpload,
  objectKey: string,
  domain: string,
): Promise<{ blobId: string; objectKey: string }> {
  // A second turn is needed when another transaction inserts the same digest between the two statements.
  for (let turn = 0; turn < 5; turn += 1) {
    const [existing] = await queryRows<{ id: string; object_key: string }>(
      runner,
      `SELECT id, object_key FROM blob WHERE digest = $1 AND key_domain = $2 AND state = 'live' FOR KEY SHARE`,
      [blob.digest, domain],
    );
    if (existing !== undefined) return { blobId: existing.id, objectKey: existing.object_key };
    if (domain !== '') await checkEnvelope(runner, objectKey, domain);
    const [inserted] = await queryRows<{ id: string }>(
      runner,
      // No index is named: while versions change there are two that say that a digest lives once.
      `INSERT INTO blob (id, digest, size, object_key, key_domain) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING RETURNING id`,
      [newId(), blob.digest, blob.sizeBytes, objectKey, domain],
    );
    if (inserted !== undefined) return { blobId: inserted.id, objectKey };
  }
  throw new Error('the blob was inserted and removed again by others, several times over');
}

/** Content of a domain is never kept under other keys, whatever a process with another configuration did. */
async function checkEnvelope(runner: StatementRunner, objectKey: string, domain: string): Promise<void> {
  const [envelope] = await queryRows<{ key_domain: string }>(
    runner,
    'SELECT key_domain FROM object_key_envelope WHERE object_key = $1',
    [objectKey],
  );
  if (envelope?.key_domain === domain) return;
  throw new Error(
    `the upload is not encrypted under keys of the domain "${domain}": every process needs SLUICE_ENCRYPTION_KEY_FILE`,
  );
}

/** A row that came as an array in the order of {@link NAMES}. */
function named(row: readonly unknown[]): SessionRow {
  return Object.fromEntries(NAMES.map((name, index) => [name, row[index]])) as unknown as SessionRow;
}

function toSession(row: SessionRow): UploadSession {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    storageKey: row.storage_key,
    storageState: row.parts,
    offsetBytes: Number(row.offset_bytes),
    algorithm: row.algorithm as DigestAlgorithm,
    prefixDigest: row.prefix_digest as Digest | null,
    hashState: row.hash_state,
    writer:
      row.writer === null || row.writer_until === null ? null : { id: row.writer, until: row.writer_until },
    mustRehash: row.must_rehash,
  };
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('the statement gave no row');
  return row;
}
