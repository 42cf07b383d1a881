import { AccessError } from '@sluice/domain/access';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type NewPrincipal,
  type PrincipalChange,
  type PrincipalQuery,
  type PrincipalRecord,
  PrincipalStore,
} from '../ports/principal-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { principalColumns, type PrincipalRow, toPrincipal } from './rows.ts';
import { queryRows, sqlState, UNIQUE_VIOLATION } from './sql.ts';

const COLUMNS = principalColumns('principal');
/** Held while an administrator is taken away, so that two requests cannot take the last two at once. */
const ADMIN_LOCK = 5_130_022;

export class PostgresPrincipalStore extends PrincipalStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  create(principal: NewPrincipal): Promise<PrincipalRecord> {
    return insertPrincipal(this.#source, principal);
  }

  async byId(id: string): Promise<PrincipalRecord | null> {
    const rows = await queryRows<PrincipalRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM principal WHERE id = $1`,
      [id],
    );
    return rows[0] === undefined ? null : toPrincipal(rows[0]);
  }

  async byName(name: string): Promise<(PrincipalRecord & { passwordHash: string | null }) | null> {
    const rows = await queryRows<PrincipalRow & { password_hash: string | null }>(
      this.#source,
      `SELECT ${COLUMNS}, password_hash FROM principal WHERE name = $1`,
      [name],
    );
    return rows[0] === undefined ? null : { ...toPrincipal(rows[0]), passwordHash: rows[0].password_hash };
  }

  async list(query: PrincipalQuery): Promise<PrincipalRecord[]> {
    const rows = await queryRows<PrincipalRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM principal
       WHERE kind = $1 AND ($2::uuid IS NULL OR node_id = $2) AND ($3::text IS NULL OR name > $3)
       ORDER BY name LIMIT $4`,
      [query.kind, query.nodeId ?? null, query.after, query.limit],
    );
    return rows.map(toPrincipal);
  }

  update(id: string, change: PrincipalChange): Promise<PrincipalRecord> {
    return this.#source.transaction(async (manager) => {
      if (change.isAdmin === false || change.disabled === true || change.expiresAt instanceof Date) {
        await keepAnAdmin(manager, id);
      }
      const rows = await queryRows<PrincipalRow>(
        manager,
        `UPDATE principal SET
           display_name = coalesce($2, display_name),
           email = CASE WHEN $3 THEN $4 ELSE email END,
           password_hash = coalesce($5, password_hash),
           is_admin = coalesce($6, is_admin),
           disabled_at = CASE $7::boolean WHEN true THEN coalesce(disabled_at, now()) WHEN false THEN NULL ELSE disabled_at END,
           expires_at = CASE WHEN $8 THEN $9::timestamptz ELSE expires_at END,
           epoch = epoch + CASE WHEN $5::text IS NOT NULL OR $6 IS FALSE OR $7 IS TRUE OR ($8 AND $9 IS NOT NULL) THEN 1 ELSE 0 END
         WHERE id = $1 RETURNING ${COLUMNS}`,
        [
          id,
          change.displayName ?? null,
          change.email !== undefined,
          change.email ?? null,
          change.passwordHash ?? null,
          change.isAdmin ?? null,
          change.disabled ?? null,
          change.expiresAt !== undefined,
          change.expiresAt ?? null,
        ],
      );
      if (rows[0] === undefined) throw unknown();
      if (change.passwordHash !== undefined) {
        await manager.query(
          `UPDATE secret SET revoked_at = now() WHERE principal_id = $1 AND kind = 'refresh' AND revoked_at IS NULL`,
          [id],
        );
      }
      return toPrincipal(rows[0]);
    });
  }

  async delete(id: string): Promise<void> {
    await this.#source.transaction(async (manager) => {
      await keepAnAdmin(manager, id);
      const rows = await queryRows(manager, 'DELETE FROM principal WHERE id = $1 RETURNING id', [id]);
      if (rows.length === 0) throw unknown();
    });
  }

  async hasAdmin(): Promise<boolean> {
    const rows = await queryRows(this.#source, 'SELECT FROM principal WHERE is_admin LIMIT 1');
    return rows.length > 0;
  }
}

/** @throws AccessError name-taken */
export async function insertPrincipal(
  runner: StatementRunner,
  principal: NewPrincipal,
): Promise<PrincipalRecord> {
  try {
    const rows = await queryRows<PrincipalRow>(
      runner,
      `INSERT INTO principal (id, kind, name, display_name, email, password_hash, is_admin, node_id, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${COLUMNS}`,
      [
        newId(),
        principal.kind,
        principal.name,
        principal.displayName ?? '',
        principal.email ?? null,
        principal.passwordHash ?? null,
        principal.isAdmin ?? false,
        principal.nodeId ?? null,
        principal.expiresAt ?? null,
      ],
    );
    if (rows[0] === undefined) throw new Error('INSERT returned no row');
    return toPrincipal(rows[0]);
  } catch (error) {
    if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
    throw new AccessError('name-taken', `the name ${principal.name} is taken`, { cause: error });
  }
}

/** Ends every token that was issued for the principal until now. */
export async function raiseEpoch(runner: StatementRunner, principalId: string): Promise<void> {
  await runner.query('UPDATE principal SET epoch = epoch + 1 WHERE id = $1', [principalId]);
}

async function keepAnAdmin(manager: EntityManager, id: string): Promise<void> {
  await manager.query('SELECT pg_advisory_xact_lock($1)', [ADMIN_LOCK]);
  const rows = await queryRows<{ is_last: boolean }>(
    manager,
    `SELECT is_admin AND NOT EXISTS (SELECT FROM principal o WHERE o.is_admin AND o.id <> p.id
        AND o.disabled_at IS NULL AND (o.expires_at IS NULL OR o.expires_at > now())) AS is_last
     FROM principal p WHERE p.id = $1`,
    [id],
  );
  if (rows[0]?.is_last === true) {
    throw new AccessError('last-admin', 'this is the last administrator: make another one first');
  }
}

function unknown(): AccessError {
  return new AccessError('principal-unknown', 'there is no such user, robot or workload');
}
