import { canonicalJson, PolicyError } from '@sluice/domain/policy';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type NewPolicy,
  type PolicyQuery,
  type PolicyRecord,
  PolicyStore,
  type PolicyVersion,
} from '../ports/policy-store.ts';
import { writeEvent } from './outbox-writer.ts';
import { raiseRulesRevision } from './rules-revision.ts';
import { queryRows, sqlState } from './sql.ts';

const FOREIGN_KEY_VIOLATION = '23503';

export class PostgresPolicyStore extends PolicyStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async apply(policy: NewPolicy): Promise<{ policy: PolicyRecord; changed: boolean }> {
    const { nodeId, document, createdBy } = policy;
    const { name } = document.metadata;
    try {
      return await this.#source.transaction(async (manager) => {
        // Looked at before anything is locked or made stale: pipelines apply the same documents again and again.
        const before = await selectOne(manager, OF_NAME, [nodeId, name]);
        if (before !== null && isInForce(before, policy)) return { policy: before, changed: false };
        await raiseRulesRevision(manager, nodeId);
        const current = await lockPolicy(manager, nodeId, name);
        checkVersion(name, current?.version ?? 0, policy.expectedVersion);
        if (current !== null && isInForce(current, policy)) {
          await writeEvent(manager, 'policy.changed', describe(current), { nodeId });
          return { policy: current, changed: false };
        }
        const id = current?.id ?? newId();
        const version = (current?.version ?? 0) + 1;
        await manager.query(
          `INSERT INTO policy (id, node_id, name, version, document, created_by) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (id) DO UPDATE SET version = excluded.version, document = excluded.document,
             created_by = excluded.created_by, updated_at = now()`,
          [id, nodeId, name, version, JSON.stringify(document), createdBy],
        );
        await manager.query(
          'INSERT INTO policy_version (policy_id, version, document, created_by) VALUES ($1, $2, $3, $4)',
          [id, version, JSON.stringify(document), createdBy],
        );
        const stored = await selectOne(manager, 'p.id = $1', [id]);
        if (stored === null) throw new Error('the policy was not stored');
        await writeEvent(manager, 'policy.changed', describe(stored), { nodeId });
        return { policy: stored, changed: true };
      });
    } catch (error) {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      throw new PolicyError('policy-node-unknown', 'there is no such group or project');
    }
  }

  get(id: string): Promise<PolicyRecord | null> {
    return selectOne(this.#source, 'p.id = $1', [id]);
  }

  find(nodeId: string | null, name: string): Promise<PolicyRecord | null> {
    return selectOne(this.#source, OF_NAME, [nodeId, name]);
  }

  list({ scope, after, limit }: PolicyQuery): Promise<PolicyRecord[]> {
    const { where, parameters } = scopeCondition(scope);
    return queryRows<PolicyRecord>(
      this.#source,
      `${SELECT} WHERE (${where}) AND ($1::uuid IS NULL OR p.id > $1) ORDER BY p.id LIMIT $2`,
      [after, limit, ...parameters],
    );
  }

  versions(id: string): Promise<PolicyVersion[]> {
    return queryRows<PolicyVersion>(
      this.#source,
      `SELECT version, document, created_by AS "createdBy", created_at AS "createdAt" FROM policy_version
       WHERE policy_id = $1 ORDER BY version DESC`,
      [id],
    );
  }

  delete(id: string, expectedVersion?: number): Promise<PolicyRecord | null> {
    return this.#source.transaction(async (manager) => {
      const attached = await selectOne(manager, 'p.id = $1', [id]);
      if (attached === null) return null;
      await raiseRulesRevision(manager, attached.nodeId);
      const policy = await selectOne(manager, 'p.id = $1', [id], 'FOR UPDATE OF p');
      if (policy === null) {
        // Another was faster; what was made stale here is judged again all the same.
        await writeEvent(manager, 'policy.changed', describe(attached), { nodeId: attached.nodeId });
        return null;
      }
      checkVersion(policy.name, policy.version, expectedVersion);
      await manager.query('DELETE FROM policy WHERE id = $1', [id]);
      await writeEvent(manager, 'policy.changed', describe(policy), { nodeId: policy.nodeId });
      return policy;
    });
  }
}

const OF_NAME = 'p.node_id IS NOT DISTINCT FROM $1 AND p.name = $2';

/** @throws PolicyError policy-changed when it is in force in another version than the author has seen */
function isInForce(current: PolicyRecord, { document, expectedVersion }: NewPolicy): boolean {
  if (canonicalJson(current.document) !== canonicalJson(document)) return false;
  checkVersion(current.name, current.version, expectedVersion);
  return true;
}

/** Waits for whoever changes the policy of this name, whether or not it exists yet. */
async function lockPolicy(
  manager: EntityManager,
  nodeId: string | null,
  name: string,
): Promise<PolicyRecord | null> {
  await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 2))', [
    `policy/${nodeId ?? ''}/${name}`,
  ]);
  return selectOne(manager, OF_NAME, [nodeId, name], 'FOR UPDATE OF p');
}

/** The condition on `p` and its node `n`, with parameters from `$3` on. */
function scopeCondition(scope: PolicyQuery['scope']): { where: string; parameters: unknown[] } {
  switch (scope.kind) {
    case 'own':
      return { where: 'p.node_id IS NOT DISTINCT FROM $3::uuid', parameters: [scope.nodeId] };
    case 'effective':
      return {
        where: 'p.node_id IS NULL OR p.node_id = ANY ((SELECT lineage FROM node WHERE id = $3)::uuid[])',
        parameters: [scope.nodeId],
      };
    case 'readable':
      if (scope.reader.kind === 'all') return { where: 'true', parameters: [] };
      return {
        where: `p.node_id IS NULL OR n.visibility = ANY ($3::text[]) OR EXISTS (SELECT FROM access_grant g
          WHERE g.principal_id = $4::uuid AND g.node_id = ANY (n.lineage)
            AND (g.expires_at IS NULL OR g.expires_at > now()))`,
        parameters: [scope.reader.internal ? ['public', 'internal'] : ['public'], scope.reader.id],
      };
  }
}

function checkVersion(name: string, version: number, expected: number | undefined): void {
  if (expected === undefined || expected === version) return;
  const there = version === 0 ? 'there is none of that name' : `it is at version ${version}`;
  const seen = expected === 0 ? 'that there is none' : `version ${expected}`;
  throw new PolicyError(
    'policy-changed',
    `the policy "${name}" was changed meanwhile: ${there}, expected ${seen}`,
  );
}

function describe({ name, nodePath }: PolicyRecord): string {
  return `${nodePath ?? 'installation'}: ${name}`;
}

const SELECT = `
  SELECT p.id, p.node_id AS "nodeId", n.path AS "nodePath", p.name, p.version, p.document,
    p.created_by AS "createdBy", p.created_at AS "createdAt", p.updated_at AS "updatedAt"
  FROM policy p LEFT JOIN node n ON n.id = p.node_id`;

async function selectOne(
  runner: DataSource | EntityManager,
  condition: string,
  parameters: unknown[],
  lock = '',
): Promise<PolicyRecord | null> {
  const rows = await queryRows<PolicyRecord>(runner, `${SELECT} WHERE ${condition} ${lock}`, parameters);
  return rows[0] ?? null;
}
