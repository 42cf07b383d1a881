import {
  AccessError,
  type Grant,
  type NodeKind,
  type NodePath,
  type NodeRef,
  pathLineage,
  type Role,
  type Visibility,
} from '@sluice/domain/access';
import { type DataSource, In, type SelectQueryBuilder } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type AccessContext,
  type NodeChanges,
  type NodeQuery,
  type NodeReader,
  type NodeRecord,
  NodeStore,
  type NodeTarget,
} from '../ports/node-store.ts';
import { TREE_LOCK } from './advisory-locks.ts';
import { NodeEntity } from './entities/node.entity.ts';
import { raiseEpoch } from './principal-store.ts';
import { queryRows, sqlState } from './sql.ts';

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
      const existing = await manager.find(NodeEntity, { where: { path: In(paths) } });
      let parent = deepest(existing);
      if (parent?.path === node.path) {
        throw new AccessError('path-taken', `there is a ${parent.kind} at ${node.path} already`);
      }
      if (parent?.kind === 'project') {
        throw new AccessError(
          'path-invalid',
          `${parent.path} is a project, and nothing can lie below a project: choose another path than ${node.path}`,
        );
      }
      const created: NodeEntity[] = [];
      for (const path of paths.slice(existing.length)) {
        const id = newId();
        const isGroup = path !== node.path;
        const entity: NodeEntity = manager.create(NodeEntity, {
          id,
          kind: isGroup ? 'group' : node.kind,
          parentId: parent?.id ?? null,
          path,
          lineage: [...(parent?.lineage ?? []), id],
          visibility: isGroup ? 'private' : node.visibility,
          missingBlobs: 'refuse',
          blobDownloads: 'proxy',
        });
        await manager.insert(NodeEntity, entity);
        created.push(entity);
        parent = entity;
      }
      return created.map(toNode);
    });
  }

  async get(target: NodeTarget): Promise<NodeRecord | null> {
    const { where, value } = condition(target);
    const entity = await this.#query().where(where.replace('$1', ':value'), { value }).getOne();
    return entity === null ? null : toNode(entity);
  }

  async context(target: NodeTarget, principalId: string | null): Promise<AccessContext | null> {
    const { where, value } = condition(target);
    const rows = await queryRows<ContextRow>(
      this.#source,
      `SELECT node.id, node.kind, node.path, node.visibility,
         (SELECT jsonb_agg(jsonb_build_object('id', up.id, 'kind', up.kind, 'path', up.path) ORDER BY length(up.path))
            FROM node up WHERE up.id = ANY (node.lineage)) AS lineage,
         (SELECT coalesce(jsonb_agg(to_jsonb(g)), '[]') FROM access_grant g
           WHERE g.principal_id = $2::uuid AND g.node_id = ANY (node.lineage)) AS grants
       FROM node WHERE ${where}`,
      [value, principalId],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const { grants, ...node } = row;
    return { node, grants: grants.map(toGrant) };
  }

  async list(query: NodeQuery): Promise<NodeRecord[]> {
    const { kind, under, path, after, reader, limit } = query;
    const builder = this.#query().orderBy('node.path').limit(limit);
    if (kind !== undefined) builder.andWhere('node.kind = :kind', { kind });
    if (under !== undefined) builder.andWhere('starts_with(node.path, :below)', { below: `${under}/` });
    if (path !== undefined) builder.andWhere('node.path = :path', { path });
    if (after !== null) builder.andWhere('node.path > :after', { after });
    restrictTo(builder, reader);
    return (await builder.getMany()).map(toNode);
  }

  async update(id: string, changes: NodeChanges): Promise<NodeRecord> {
    if (Object.keys(changes).length > 0) await this.#source.manager.update(NodeEntity, { id }, changes);
    const entity = await this.#source.manager.findOneBy(NodeEntity, { id });
    if (entity === null) throw unknown(id);
    return toNode(entity);
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
        await manager.query('SELECT id FROM node WHERE id = $1 FOR UPDATE', [id]);
        const holders = await queryRows<{ principal_id: string }>(manager, HOLDERS, [id]);
        const { affected } = await manager.delete(NodeEntity, { id });
        if (affected !== 1) throw unknown(id);
        // Their tokens name repositories, and somebody else may make a project of the same name at once.
        for (const holder of holders) await raiseEpoch(manager, holder.principal_id);
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

  #query(): SelectQueryBuilder<NodeEntity> {
    return this.#source.manager.createQueryBuilder(NodeEntity, 'node');
  }
}

/** Who has rights by the node itself. Nobody is given any more while the node is locked. */
const HOLDERS = `SELECT principal_id FROM access_grant WHERE node_id = $1
  UNION SELECT principal_id FROM ci_binding WHERE node_id = $1 ORDER BY principal_id`;

/** `$1` is the value in every form. */
function condition(target: NodeTarget): { where: string; value: unknown } {
  if ('id' in target) return { where: 'node.id = $1', value: target.id };
  if ('path' in target) return { where: 'node.path = $1', value: target.path };
  // At most one project lies on a line, because nothing lies below a project.
  if ('repository' in target) {
    return { where: `node.path = ANY ($1) AND node.kind = 'project'`, value: pathLineage(target.repository) };
  }
  return {
    where: 'node.path = (SELECT path FROM node WHERE path = ANY ($1) ORDER BY length(path) DESC LIMIT 1)',
    value: pathLineage(target.nearest),
  };
}

function restrictTo(builder: SelectQueryBuilder<NodeEntity>, reader: NodeReader): void {
  if (reader.kind === 'all') return;
  const visible = reader.internal ? ['public', 'internal'] : ['public'];
  builder.andWhere(
    `(node.visibility = ANY (:visible) OR node.lineage && :nodeIds::uuid[]
      OR EXISTS (SELECT FROM access_grant g WHERE g.principal_id = :principalId AND g.node_id = ANY (node.lineage)
        AND (g.expires_at IS NULL OR g.expires_at > now())))`,
    { visible, nodeIds: reader.nodeIds ?? [], principalId: reader.id },
  );
}

function deepest(nodes: readonly NodeEntity[]): NodeEntity | null {
  return nodes.reduce<NodeEntity | null>(
    (found, node) => (found === null || node.path.length > found.path.length ? node : found),
    null,
  );
}

function toNode(entity: NodeEntity): NodeRecord {
  const { id, kind, parentId, path, visibility, missingBlobs, blobDownloads, createdAt } = entity;
  return { id, kind, parentId, path, visibility, missingBlobs, blobDownloads, createdAt };
}

interface ContextRow {
  id: string;
  kind: NodeKind;
  path: string;
  visibility: Visibility;
  lineage: NodeRef[];
  grants: GrantJson[];
}

/** A row of access_grant inside jsonb, where times are text. */
interface GrantJson {
  principal_id: string;
  node_id: string;
  role: Role;
  source: string;
  expires_at: string | null;
}

function toGrant(json: GrantJson): Grant {
  return {
    principalId: json.principal_id,
    nodeId: json.node_id,
    role: json.role,
    source: json.source,
    expiresAt: json.expires_at === null ? null : new Date(json.expires_at),
  };
}

function unknown(id: string): AccessError {
  return new AccessError('node-unknown', 'there is no such group or project', { detail: id });
}
