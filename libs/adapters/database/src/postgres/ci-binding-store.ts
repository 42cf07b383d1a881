import { AccessError, type CiBinding } from '@sluice/domain/access';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type CiBindingQuery,
  type CiBindingRecord,
  CiBindingStore,
  type NewCiBinding,
} from '../ports/ci-binding-store.ts';
import type { PrincipalRecord } from '../ports/principal-store.ts';
import { raiseEpoch } from './principal-store.ts';
import { type BindingRow, principalColumns, type PrincipalRow, toBinding, toPrincipal } from './rows.ts';
import { queryRows, sqlState, UNIQUE_VIOLATION } from './sql.ts';

const FOREIGN_KEY_VIOLATION = '23503';

export class PostgresCiBindingStore extends CiBindingStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async create(binding: NewCiBinding): Promise<CiBindingRecord> {
    try {
      return await this.#source.transaction(async (manager) => {
        const name = workloadName(binding.issuer, binding.gitlabProjectId);
        await manager.query(
          `INSERT INTO principal (id, kind, name, display_name) VALUES ($1, 'workload', $2, $3)
           ON CONFLICT (name) DO NOTHING`,
          [newId(), name, binding.gitlabProjectPath],
        );
        const rows = await queryRows<{ id: string }>(
          manager,
          `INSERT INTO ci_binding
             (id, principal_id, issuer, gitlab_project_id, gitlab_project_path, node_id, role, conditions)
           SELECT $1, p.id, $3, $4, $5, $6, $7, $8 FROM principal p WHERE p.name = $2 RETURNING id`,
          [
            newId(),
            name,
            binding.issuer,
            binding.gitlabProjectId,
            binding.gitlabProjectPath,
            binding.nodeId,
            binding.role,
            JSON.stringify(binding.conditions),
          ],
        );
        const record = await queryRows<RecordRow>(manager, `${SELECT} WHERE b.id = $1`, [rows[0]?.id]);
        if (record[0] === undefined) throw new Error('the binding vanished in its own transaction');
        return toRecord(record[0]);
      });
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION) {
        throw new AccessError(
          'binding-taken',
          `GitLab project ${binding.gitlabProjectId} of ${binding.issuer} is bound to this node already: remove that binding first`,
          { cause: error },
        );
      }
      if (sqlState(error) === FOREIGN_KEY_VIOLATION) {
        throw new AccessError('node-unknown', 'there is no such group or project', { cause: error });
      }
      throw error;
    }
  }

  async get(id: string): Promise<CiBindingRecord | null> {
    const rows = await queryRows<RecordRow>(this.#source, `${SELECT} WHERE b.id = $1`, [id]);
    return rows[0] === undefined ? null : toRecord(rows[0]);
  }

  async list(query: CiBindingQuery): Promise<CiBindingRecord[]> {
    const rows = await queryRows<RecordRow>(
      this.#source,
      `${SELECT} WHERE b.node_id = $1 AND ($2::uuid IS NULL OR b.id > $2) ORDER BY b.id LIMIT $3`,
      [query.nodeId, query.after, query.limit],
    );
    return rows.map(toRecord);
  }

  async remove(id: string): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const rows = await queryRows<{ principal_id: string }>(
        manager,
        'DELETE FROM ci_binding WHERE id = $1 RETURNING principal_id',
        [id],
      );
      const row = rows[0];
      if (row !== undefined) await raiseEpoch(manager, row.principal_id);
      return row !== undefined;
    });
  }

  async forProject(
    issuer: string,
    gitlabProjectId: string,
  ): Promise<{ principal: PrincipalRecord; bindings: CiBinding[] } | null> {
    const rows = await queryRows<PrincipalRow & { bindings: BindingRow[] }>(
      this.#source,
      `SELECT ${principalColumns('p')},
         (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM ci_binding b WHERE b.principal_id = p.id) AS bindings
       FROM principal p
       WHERE p.name = $1 AND p.kind = 'workload' AND EXISTS (SELECT FROM ci_binding b WHERE b.principal_id = p.id)`,
      [workloadName(issuer, gitlabProjectId)],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return { principal: toPrincipal(row), bindings: row.bindings.map(toBinding) };
  }
}

/** "#" is in no issuer (OpenID Connect Discovery forbids fragments), so no two projects share a name. */
function workloadName(issuer: string, gitlabProjectId: string): string {
  return `gitlab:${issuer}#${gitlabProjectId}`;
}

interface RecordRow extends BindingRow {
  gitlab_project_path: string;
  node_path: string;
  created_at: Date;
}

const SELECT = `SELECT b.*, n.path AS node_path FROM ci_binding b JOIN node n ON n.id = b.node_id`;

function toRecord(row: RecordRow): CiBindingRecord {
  return {
    ...toBinding(row),
    gitlabProjectPath: row.gitlab_project_path,
    nodePath: row.node_path,
    createdAt: row.created_at,
  };
}
