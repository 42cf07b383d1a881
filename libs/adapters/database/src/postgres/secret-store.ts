import { AccessError, type SecretKind } from '@sluice/domain/access';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import type { PrincipalRecord } from '../ports/principal-store.ts';
import { type NewSecret, type SecretQuery, type SecretRecord, SecretStore } from '../ports/secret-store.ts';
import { raiseEpoch } from './principal-store.ts';
import {
  principalColumns,
  type PrincipalRow,
  secretColumns,
  type SecretRow,
  toPrincipal,
  toSecret,
} from './rows.ts';
import { queryRows } from './sql.ts';

const COLUMNS = secretColumns('secret');
const LIVE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())';

export class PostgresSecretStore extends SecretStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  create(secret: NewSecret, liveLimit: number): Promise<SecretRecord> {
    return this.#source.transaction(async (manager) => {
      // The lock on the principal makes counting and inserting one step.
      const owner = await queryRows(manager, 'SELECT FROM principal WHERE id = $1 FOR UPDATE', [
        secret.principalId,
      ]);
      if (owner.length === 0) throw new AccessError('principal-unknown', 'there is no such user or robot');
      const counted = await queryRows<{ live: number }>(
        manager,
        `SELECT count(*)::int AS live FROM secret WHERE principal_id = $1 AND kind = $2 AND ${LIVE}`,
        [secret.principalId, secret.kind],
      );
      const live = counted[0]?.live ?? 0;
      if (live >= liveLimit) {
        throw new AccessError(
          'limit-reached',
          `${live} are alive and at most ${liveLimit} may be: revoke one first`,
        );
      }
      const rows = await queryRows<SecretRow>(
        manager,
        `INSERT INTO secret (id, principal_id, kind, name, hash, scopes, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
        [
          newId(),
          secret.principalId,
          secret.kind,
          secret.name,
          secret.hash,
          JSON.stringify(secret.scopes),
          secret.expiresAt,
        ],
      );
      if (rows[0] === undefined) throw new Error('INSERT returned no row');
      return toSecret(rows[0]);
    });
  }

  async byHash(hash: Buffer): Promise<{ secret: SecretRecord; principal: PrincipalRecord } | null> {
    const rows = await queryRows<Record<string, unknown>>(
      this.#source,
      `SELECT ${secretColumns('s', 's_')}, ${principalColumns('p', 'p_')}
       FROM secret s JOIN principal p ON p.id = s.principal_id WHERE s.hash = $1`,
      [hash],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return {
      secret: toSecret(withPrefix<SecretRow>(row, 's_')),
      principal: toPrincipal(withPrefix<PrincipalRow>(row, 'p_')),
    };
  }

  async get(id: string): Promise<SecretRecord | null> {
    const rows = await queryRows<SecretRow>(this.#source, `SELECT ${COLUMNS} FROM secret WHERE id = $1`, [
      id,
    ]);
    return rows[0] === undefined ? null : toSecret(rows[0]);
  }

  async list(query: SecretQuery): Promise<SecretRecord[]> {
    const rows = await queryRows<SecretRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM secret
       WHERE principal_id = $1 AND kind = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
      [query.principalId, query.kind satisfies SecretKind, query.after, query.limit],
    );
    return rows.map(toSecret);
  }

  async revoke(id: string): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const rows = await queryRows<{ principal_id: string }>(
        manager,
        `UPDATE secret SET revoked_at = now() WHERE id = $1 AND ${LIVE} RETURNING principal_id`,
        [id],
      );
      const row = rows[0];
      if (row !== undefined) await raiseEpoch(manager, row.principal_id);
      return row !== undefined;
    });
  }

  async touch(id: string, at: Date): Promise<void> {
    await this.#source.query(
      `UPDATE secret SET last_used_at = $2
       WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - interval '1 minute')`,
      [id, at],
    );
  }
}

function withPrefix<Row>(row: Record<string, unknown>, prefix: string): Row {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  ) as Row;
}
