import { AccessError, compareRoles, type Grant, type Role } from '@sluice/domain/access';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import { type GrantQuery, type GrantRecord, GrantStore } from '../ports/grant-store.ts';
import { AccessGrantEntity } from './entities/access-grant.entity.ts';
import { raiseEpoch } from './principal-store.ts';
import { queryRows, sqlState } from './sql.ts';

const FOREIGN_KEY_VIOLATION = '23503';

export class PostgresGrantStore extends GrantStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async put(grant: Grant, replacing?: (before: Grant) => void): Promise<GrantRecord> {
    try {
      return await this.#source.transaction(async (manager) => {
        const { principalId, nodeId, source } = grant;
        await lockFor(manager, grant);
        const before = await manager.findOne(AccessGrantEntity, {
          where: { principalId, nodeId, source },
        });
        if (before !== null) replacing?.(before);
        const rows = await queryRows<{ id: string }>(
          manager,
          `INSERT INTO access_grant (id, node_id, principal_id, role, source, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (principal_id, node_id, source) DO UPDATE SET role = excluded.role, expires_at = excluded.expires_at
           RETURNING id`,
          [newId(), grant.nodeId, grant.principalId, grant.role, grant.source, grant.expiresAt],
        );
        if (before !== null && givesLess(grant, before)) await raiseEpoch(manager, grant.principalId);
        const record = await queryRows<GrantRow>(manager, `${SELECT} WHERE g.id = $1`, [rows[0]?.id]);
        if (record[0] === undefined) throw new Error('the grant vanished in its own transaction');
        return toGrant(record[0]);
      });
    } catch (error) {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      const isNode = (error as { constraint?: string }).constraint === 'access_grant_node_id_fkey';
      throw isNode
        ? new AccessError('node-unknown', 'there is no such group or project', { cause: error })
        : new AccessError('principal-unknown', 'there is no such user, robot or workload', { cause: error });
    }
  }

  async get(id: string): Promise<GrantRecord | null> {
    const rows = await queryRows<GrantRow>(this.#source, `${SELECT} WHERE g.id = $1`, [id]);
    return rows[0] === undefined ? null : toGrant(rows[0]);
  }

  async list(query: GrantQuery): Promise<GrantRecord[]> {
    const rows = await queryRows<GrantRow>(
      this.#source,
      `${SELECT}
       WHERE (CASE WHEN $2 THEN g.node_id = ANY ((SELECT lineage FROM node WHERE id = $1)::uuid[]) ELSE g.node_id = $1 END)
         AND ($3::uuid IS NULL OR g.id > $3)
       ORDER BY g.id LIMIT $4`,
      [query.nodeId, query.inherited, query.after, query.limit],
    );
    return rows.map(toGrant);
  }

  async remove(id: string): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const grant = await manager.findOneBy(AccessGrantEntity, { id });
      if (grant === null) return false;
      await lockFor(manager, grant);
      const { affected } = await manager.delete(AccessGrantEntity, { id });
      if (affected !== 1) return false;
      await raiseEpoch(manager, grant.principalId);
      return true;
    });
  }
}

/**
 * Lets one transaction at a time change the grants of a principal: one that another is about to write has no row yet that
 * could be locked. The node comes first, as where it is deleted.
 */
async function lockFor(manager: EntityManager, { nodeId, principalId }: Grant): Promise<void> {
  await manager.query('SELECT id FROM node WHERE id = $1 FOR KEY SHARE', [nodeId]);
  await manager.query('SELECT id FROM principal WHERE id = $1 FOR NO KEY UPDATE', [principalId]);
}

interface GrantRow {
  id: string;
  node_id: string;
  principal_id: string;
  role: Role;
  source: string;
  expires_at: Date | null;
  created_at: Date;
  principal_name: string;
  principal_kind: GrantRecord['principalKind'];
  node_path: string;
}

const SELECT = `SELECT g.id, g.node_id, g.principal_id, g.role, g.source, g.expires_at, g.created_at,
    p.name AS principal_name, p.kind AS principal_kind, n.path AS node_path
  FROM access_grant g JOIN principal p ON p.id = g.principal_id JOIN node n ON n.id = g.node_id`;

function toGrant(row: GrantRow): GrantRecord {
  return {
    id: row.id,
    nodeId: row.node_id,
    principalId: row.principal_id,
    role: row.role,
    source: row.source,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    principalName: row.principal_name,
    principalKind: row.principal_kind,
    nodePath: row.node_path,
  };
}

function givesLess(now: Grant, before: Grant): boolean {
  const endsEarlier =
    now.expiresAt !== null &&
    (before.expiresAt === null || now.expiresAt.getTime() < before.expiresAt.getTime());
  return endsEarlier || compareRoles(now.role, before.role) < 0;
}
