import { AccessError } from '@sluice/domain/access';
import { type KeyAlgorithm, TrustError } from '@sluice/domain/signature';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import type { NodeReader } from '../ports/node-store.ts';
import {
  type NewTrustedKey,
  type TrustedKeyQuery,
  type TrustedKeyRecord,
  TrustedKeyStore,
} from '../ports/trusted-key-store.ts';
import { writeEvent } from './outbox-writer.ts';
import { raiseRulesRevision } from './rules-revision.ts';
import { queryRows } from './sql.ts';

interface TrustedKeyRow {
  id: string;
  node_id: string;
  path: string;
  name: string;
  algorithm: KeyAlgorithm;
  pem: string;
  key_id: string;
  created_by: string;
  created_at: Date;
}

const SELECT = `SELECT k.id, k.node_id, n.path, k.name, k.algorithm, k.pem, k.key_id, k.created_by, k.created_at
  FROM trusted_key k JOIN node n ON n.id = k.node_id`;

export class PostgresTrustedKeyStore extends TrustedKeyStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  add(key: NewTrustedKey, limit: number): Promise<TrustedKeyRecord> {
    return this.#source.transaction(async (manager) => {
      await raiseRulesRevision(manager, key.nodeId);
      // The lock makes two that add at once see each other, so that the checks below hold.
      const nodes = await queryRows<{ path: string }>(
        manager,
        'SELECT path FROM node WHERE id = $1 FOR UPDATE',
        [key.nodeId],
      );
      const path = nodes[0]?.path;
      if (path === undefined)
        throw new AccessError('node-unknown', 'there is no such group or project', { detail: key.nodeId });
      await checkRoom(manager, key, path, limit);
      const id = newId();
      await manager.query(
        `INSERT INTO trusted_key (id, node_id, name, algorithm, pem, key_id, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [id, key.nodeId, key.name, key.algorithm, key.pem, key.keyId, key.createdBy],
      );
      await writeEvent(manager, 'trust.changed', path, { nodeId: key.nodeId });
      const added = await select(manager, 'WHERE k.id = $1', [id]);
      if (added[0] === undefined) throw new Error('INSERT left no row');
      return added[0];
    });
  }

  async get(id: string): Promise<TrustedKeyRecord | null> {
    return (await select(this.#source, 'WHERE k.id = $1', [id]))[0] ?? null;
  }

  remove(id: string): Promise<TrustedKeyRecord | null> {
    return this.#source.transaction(async (manager) => {
      const [listed] = await select(manager, 'WHERE k.id = $1', [id]);
      if (listed === undefined) return null;
      await raiseRulesRevision(manager, listed.nodeId);
      const [key] = await select(manager, 'WHERE k.id = $1 FOR UPDATE OF k', [id]);
      if (key === undefined) {
        // Another was faster; what was made stale here is judged again all the same.
        await writeEvent(manager, 'trust.changed', listed.nodePath, { nodeId: listed.nodeId });
        return null;
      }
      await manager.query('DELETE FROM trusted_key WHERE id = $1', [id]);
      await writeEvent(manager, 'trust.changed', key.nodePath, { nodeId: key.nodeId });
      return key;
    });
  }

  listForNode(nodeId: string): Promise<TrustedKeyRecord[]> {
    return select(
      this.#source,
      `WHERE k.node_id = ANY ((SELECT lineage FROM node WHERE id = $1)::uuid[]) ORDER BY length(n.path), k.name`,
      [nodeId],
    );
  }

  listForRepository(repositoryId: string): Promise<TrustedKeyRecord[]> {
    return select(
      this.#source,
      `WHERE k.node_id = ANY ((SELECT p.lineage FROM repository r JOIN node p ON p.id = r.project_id
         WHERE r.id = $1)::uuid[])
       ORDER BY length(n.path), k.name`,
      [repositoryId],
    );
  }

  list(query: TrustedKeyQuery): Promise<TrustedKeyRecord[]> {
    const reader = readerCondition(query.reader);
    return select(
      this.#source,
      `WHERE ($1::uuid IS NULL OR k.id > $1) AND ${reader.where} ORDER BY k.id LIMIT $2`,
      [query.after, query.limit, ...reader.parameters],
    );
  }
}

async function checkRoom(
  manager: EntityManager,
  key: NewTrustedKey,
  path: string,
  limit: number,
): Promise<void> {
  const existing = await select(manager, 'WHERE k.node_id = $1', [key.nodeId]);
  if (existing.some(({ name }) => name === key.name))
    throw new TrustError('trusted-key-name-taken', `${path} trusts a key called ${key.name} already`);
  const same = existing.find(({ keyId }) => keyId === key.keyId);
  if (same !== undefined)
    throw new TrustError('trusted-key-exists', `${path} trusts this key already, as ${same.name}`);
  if (existing.length >= limit)
    throw new TrustError(
      'trusted-key-limit',
      `${path} trusts ${existing.length} keys already, at most ${limit}`,
    );
}

async function select(
  runner: DataSource | EntityManager,
  rest: string,
  parameters: unknown[],
): Promise<TrustedKeyRecord[]> {
  return (await queryRows<TrustedKeyRow>(runner, `${SELECT} ${rest}`, parameters)).map((row) => ({
    id: row.id,
    nodeId: row.node_id,
    nodePath: row.path,
    name: row.name,
    algorithm: row.algorithm,
    pem: row.pem,
    keyId: row.key_id,
    createdBy: row.created_by,
    createdAt: row.created_at,
  }));
}

/** The condition on `n` that lets the reader see a node, from `$3` on. */
function readerCondition(reader: NodeReader): { where: string; parameters: unknown[] } {
  if (reader.kind === 'all') return { where: 'true', parameters: [] };
  return {
    where: `(n.visibility = ANY ($3::text[]) OR EXISTS (SELECT FROM access_grant g
       WHERE g.principal_id = $4::uuid AND g.node_id = ANY (n.lineage)
         AND (g.expires_at IS NULL OR g.expires_at > now())))`,
    parameters: [reader.internal ? ['public', 'internal'] : ['public'], reader.id],
  };
}
