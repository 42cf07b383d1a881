import type { DataSource } from 'typeorm';
import {
  type KeyUsage,
  type ObjectKeyEnvelope,
  ObjectKeyEnvelopes,
  type Rewrapped,
  type WrappedObjectKey,
} from '../ports/object-key-envelopes.ts';
import { queryRows } from './sql.ts';

interface EnvelopeRow {
  object_key: string;
  key_domain: string;
  key_id: string;
  wrapped_key: Buffer;
  seal: Buffer;
}

/** Jumps from one key to the next on the index, so that it takes time in the number of keys only. */
const KEYS_IN_USE = `
  WITH RECURSIVE used AS (
    (SELECT key_id, key_domain FROM object_key_envelope ORDER BY key_id LIMIT 1)
    UNION ALL
    SELECT next.key_id, next.key_domain FROM used CROSS JOIN LATERAL (
      SELECT e.key_id, e.key_domain FROM object_key_envelope e
      WHERE e.key_id > used.key_id ORDER BY e.key_id LIMIT 1) next)
  SELECT key_domain AS domain, key_id AS "keyId" FROM used`;

const USAGE = `
  SELECT domain, key_id AS "keyId", sum(objects)::float8 AS objects, sum(uploads)::float8 AS uploads FROM (
    SELECT key_domain AS domain, key_id, count(*) AS objects, 0 AS uploads
    FROM object_key_envelope GROUP BY key_domain, key_id
    UNION ALL
    SELECT parts ->> 'domain', parts ->> 'keyId', 0, count(*)
    FROM upload_session WHERE parts ? 'keyId' GROUP BY 1, 2) counted
  GROUP BY domain, key_id ORDER BY domain, key_id`;

/** Envelopes on PostgreSQL. */
export class PostgresObjectKeyEnvelopes extends ObjectKeyEnvelopes {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async domainOf(objectKey: string): Promise<string> {
    const rows = await queryRows<{ key_domain: string }>(
      this.#source,
      `SELECT r.key_domain FROM upload_session s JOIN repository r ON r.id = s.repository_id
       WHERE s.storage_key = $1`,
      [objectKey],
    );
    return rows[0]?.key_domain ?? '';
  }

  async find(objectKey: string): Promise<ObjectKeyEnvelope | null> {
    const rows = await queryRows<EnvelopeRow>(
      this.#source,
      'SELECT key_domain, key_id, wrapped_key, seal FROM object_key_envelope WHERE object_key = $1',
      [objectKey],
    );
    const [row] = rows;
    return row === undefined ? null : { ...toWrapped(row), seal: row.seal };
  }

  async put(objectKey: string, { domain, keyId, wrapped, seal }: ObjectKeyEnvelope): Promise<void> {
    await this.#source.query(
      `INSERT INTO object_key_envelope (object_key, key_domain, key_id, wrapped_key, seal)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (object_key) DO UPDATE SET key_domain = EXCLUDED.key_domain, key_id = EXCLUDED.key_id,
         wrapped_key = EXCLUDED.wrapped_key, seal = EXCLUDED.seal`,
      [objectKey, domain, keyId, Buffer.from(wrapped), Buffer.from(seal)],
    );
  }

  async remove(objectKey: string): Promise<void> {
    await this.#source.query('DELETE FROM object_key_envelope WHERE object_key = $1', [objectKey]);
  }

  keysInUse(): Promise<{ readonly domain: string; readonly keyId: string }[]> {
    return queryRows(this.#source, KEYS_IN_USE);
  }

  usage(): Promise<KeyUsage[]> {
    return queryRows(this.#source, USAGE);
  }

  async list(
    keyId: string,
    after: string | null,
    limit: number,
  ): Promise<(WrappedObjectKey & { readonly objectKey: string })[]> {
    const rows = await queryRows<EnvelopeRow>(
      this.#source,
      `SELECT object_key, key_domain, key_id, wrapped_key FROM object_key_envelope
       WHERE key_id = $1 AND object_key > $2 ORDER BY object_key LIMIT $3`,
      [keyId, after ?? '', limit],
    );
    return rows.map((row) => ({ ...toWrapped(row), objectKey: row.object_key }));
  }

  async replace(changes: readonly Rewrapped[]): Promise<number> {
    const rows = await queryRows<object>(
      this.#source,
      `UPDATE object_key_envelope e SET key_id = c.to_id, wrapped_key = c.to_key
       FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[])
         AS c (object_key, from_id, from_key, to_id, to_key)
       WHERE e.object_key = c.object_key AND e.key_id = c.from_id AND e.wrapped_key = c.from_key
       RETURNING e.object_key`,
      [
        changes.map(({ objectKey }) => objectKey),
        changes.map(({ from }) => from.keyId),
        changes.map(({ from }) => Buffer.from(from.wrapped)),
        changes.map(({ to }) => to.keyId),
        changes.map(({ to }) => Buffer.from(to.wrapped)),
      ],
    );
    return rows.length;
  }
}

function toWrapped(row: EnvelopeRow): WrappedObjectKey {
  return { domain: row.key_domain, keyId: row.key_id, wrapped: row.wrapped_key };
}
