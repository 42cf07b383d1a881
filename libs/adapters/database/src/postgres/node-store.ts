import {
  AccessError,
  type NodeKind,
  type NodePath,
  pathLineage,
  type Visibility,
} from '@sluice/domain/access';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type AccessContext,
  type NodeQuery,
  type NodeReader,
  type NodeRecord,
  NodeStore,
  type NodeTarget,
} from '../ports/node-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import {
  type GrantJson,
  grantFromJson,
  type LineageJson,
  NODE_COLUMNS,
  type NodeRow,
  toNode,
} from './rows.ts';
import { queryRows, sqlState } from './sql.ts';

/** Changes of the tree's shape queue behind each other: they are rare, and each looks at more than one row. */
const TREE_LOCK = 5_130_021;
/** foreign_key_violation, and restrict_violation, which ON DELETE RESTRICT raises since PostgreSQL 18. */
const REFERENCED = new Set(['23503', '23001']);

export class PostgresNodeStore extends NodeStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  create(node: { kind: NodeKind; path: NodePath; visibility: Visibility }): Promise<NodeRecord[]> {
    return this.#source.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [TREE_LOCK]);
      const paths = pathLineage(node.path);
      const rows = await queryRows<NodeRow>(
        manager,
        `SELECT ${NODE_COLUMNS} FROM node WHERE path = ANY ($1) ORDER BY length(path)`,
        [paths],
      );
      const existing = rows.at(-1);
      if (existing?.path === node.path) {
        throw new AccessError('path-taken', `there is a ${existing.kind} at ${node.path} already`);
      }
      if (existing?.kind === 'project') {
        throw new AccessError(
          'path-invalid',
          `${existing.path} is a project, and nothing can lie below a project: choose another path than ${node.path}`,
        );
      }
      const created: NodeRecord[] = [];
      let parent: Pick<NodeRow, 'id' | 'lineage'> | null = existing ?? null;
      for (const path of paths.slice(rows.length)) {
        const isGroup = path !== node.path;
        const kind = isGroup ? 'group' : node.kind;
        const visibility = isGroup ? 'private' : node.visibility;
        const row: NodeRow = await insertNode(manager, { kind, path, visibility, parent });
        created.push(toNode(row));
        parent = row;
      }
      return created;
    });
  }

  async get(target: NodeTarget): Promise<NodeRecord | null> {
    const { where, parameters } = condition(target);
    const rows = await queryRows<NodeRow>(
      this.#source,
      `SELECT ${NODE_COLUMNS} FROM node WHERE ${where}`,
      parameters,
    );
    return rows[0] === undefined ? null : toNode(rows[0]);
  }

  async context(target: NodeTarget, principalId: string | null): Promise<AccessContext | null> {
    const { where, parameters } = condition(target);
    const rows = await queryRows<NodeRow & { line: LineageJson; grants: GrantJson[] }>(
      this.#source,
      `SELECT found.*,
         (SELECT jsonb_agg(jsonb_build_object('id', up.id, 'kind', up.kind, 'path', up.path) ORDER BY length(up.path))
            FROM node up WHERE up.id = ANY (found.lineage)) AS line,
         (SELECT coalesce(jsonb_agg(to_jsonb(g)), '[]') FROM access_grant g
           WHERE g.principal_id = $2::uuid AND g.node_id = ANY (found.lineage)) AS grants
       FROM (SELECT ${NODE_COLUMNS} FROM node WHERE ${where}) found`,
      [...parameters, principalId],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return {
      node: { id: row.id, kind: row.kind, path: row.path, visibility: row.visibility, lineage: row.line },
      grants: row.grants.map(grantFromJson),
    };
  }

  async list(query: NodeQuery): Promise<NodeRecord[]> {
    const reader = readerCondition(query.reader);
    const rows = await queryRows<NodeRow>(
      this.#source,
      `SELECT ${NODE_COLUMNS} FROM node n
       WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR starts_with(path, $2 || '/'))
         AND ($3::text IS NULL OR path > $3) AND ($5::text IS NULL OR path = $5) AND ${reader.where}
       ORDER BY path LIMIT $4`,
      [
        query.kind ?? null,
        query.under ?? null,
        query.after,
        query.limit,
        query.path ?? null,
        ...reader.parameters,
      ],
    );
    return rows.map(toNode);
  }

  async setVisibility(id: string, visibility: Visibility): Promise<NodeRecord> {
    const rows = await queryRows<NodeRow>(
      this.#source,
      `UPDATE node SET visibility = $2 WHERE id = $1 RETURNING ${NODE_COLUMNS}`,
      [id, visibility],
    );
    if (rows[0] === undefined) throw unknown(id);
    return toNode(rows[0]);
  }

  async delete(id: string): Promise<void> {
    try {
      await this.#source.transaction(async (manager) => {
        await manager.query('SELECT pg_advisory_xact_lock($1)', [TREE_LOCK]);
        // Locking the rows first makes a push that is under way end before its manifest is looked for.
        await manager.query('SELECT id FROM repository WHERE project_id = $1 FOR UPDATE', [id]);
        await manager.query(
          `DELETE FROM repository r WHERE project_id = $1
             AND NOT EXISTS (SELECT FROM manifest m WHERE m.repository_id = r.id)`,
          [id],
        );
        const rows = await queryRows<{ id: string }>(manager, 'DELETE FROM node WHERE id = $1 RETURNING id', [
          id,
        ]);
        if (rows.length === 0) throw unknown(id);
      });
    } catch (error) {
      if (!REFERENCED.has(sqlState(error) ?? '')) throw error;
      throw new AccessError(
        'node-not-empty',
        'only an empty group or project can be deleted: delete the nodes or artifacts in it first',
        { cause: error },
      );
    }
  }
}

async function insertNode(
  runner: StatementRunner,
  node: {
    kind: NodeKind;
    path: string;
    visibility: Visibility;
    parent: Pick<NodeRow, 'id' | 'lineage'> | null;
  },
): Promise<NodeRow> {
  const id = newId();
  const rows = await queryRows<NodeRow>(
    runner,
    `INSERT INTO node (id, kind, parent_id, path, lineage, visibility) VALUES ($1, $2, $3, $4, $5, $6)
     RETURNING ${NODE_COLUMNS}`,
    [
      id,
      node.kind,
      node.parent?.id ?? null,
      node.path,
      [...(node.parent?.lineage ?? []), id],
      node.visibility,
    ],
  );
  const row = rows[0];
  if (row === undefined) throw new Error('INSERT returned no row');
  return row;
}

/** `$1` is the target in every form. */
function condition(target: NodeTarget): { where: string; parameters: [unknown] } {
  if ('id' in target) return { where: 'id = $1', parameters: [target.id] };
  if ('path' in target) return { where: 'path = $1', parameters: [target.path] };
  // At most one project lies on a line, because nothing lies below a project.
  if ('repository' in target) {
    return { where: `path = ANY ($1) AND kind = 'project'`, parameters: [pathLineage(target.repository)] };
  }
  return {
    where: 'path = (SELECT path FROM node WHERE path = ANY ($1) ORDER BY length(path) DESC LIMIT 1)',
    parameters: [pathLineage(target.nearest)],
  };
}

function readerCondition(reader: NodeReader): { where: string; parameters: unknown[] } {
  if (reader.kind === 'all') return { where: 'true', parameters: [] };
  const visible = reader.internal ? `'public', 'internal'` : `'public'`;
  if (reader.id === null) return { where: `visibility IN (${visible})`, parameters: [] };
  return {
    where: `(visibility IN (${visible}) OR EXISTS (SELECT FROM access_grant g
       WHERE g.principal_id = $6 AND g.node_id = ANY (n.lineage) AND (g.expires_at IS NULL OR g.expires_at > now())))`,
    parameters: [reader.id],
  };
}

function unknown(id: string): AccessError {
  return new AccessError('node-unknown', 'there is no such group or project', { detail: id });
}
