import { AccessError, type CiBinding } from '@sluice/domain/access';
import { type DataSource, MoreThan } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type CiBindingQuery,
  type CiBindingRecord,
  CiBindingStore,
  type NewCiBinding,
} from '../ports/ci-binding-store.ts';
import type { PrincipalRecord } from '../ports/principal-store.ts';
import { CiBindingEntity } from './entities/ci-binding.entity.ts';
import { NodeEntity } from './entities/node.entity.ts';
import { PrincipalEntity } from './entities/principal.entity.ts';
import { raiseEpoch, toPrincipal } from './principal-store.ts';
import { sqlState, UNIQUE_VIOLATION } from './sql.ts';

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
        const { id: principalId } = await manager.findOneByOrFail(PrincipalEntity, { name });
        const entity = manager.create(CiBindingEntity, { ...binding, id: newId(), principalId });
        await manager.insert(CiBindingEntity, entity);
        const { path } = await manager.findOneByOrFail(NodeEntity, { id: entity.nodeId });
        return toRecord(entity, path);
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
    const entity = await this.#source.manager.findOneBy(CiBindingEntity, { id });
    if (entity === null) return null;
    const { path } = await this.#source.manager.findOneByOrFail(NodeEntity, { id: entity.nodeId });
    return toRecord(entity, path);
  }

  async list({ nodeId, after, limit }: CiBindingQuery): Promise<CiBindingRecord[]> {
    const node = await this.#source.manager.findOneBy(NodeEntity, { id: nodeId });
    const entities = await this.#source.manager.find(CiBindingEntity, {
      where: { nodeId, ...(after === null ? {} : { id: MoreThan(after) }) },
      order: { id: 'ASC' },
      take: limit,
    });
    return entities.map((entity) => toRecord(entity, node?.path ?? ''));
  }

  async remove(id: string): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const entity = await manager.findOneBy(CiBindingEntity, { id });
      const { affected } = await manager.delete(CiBindingEntity, { id });
      if (entity === null || affected !== 1) return false;
      await raiseEpoch(manager, entity.principalId);
      return true;
    });
  }

  async forProject(
    issuer: string,
    gitlabProjectId: string,
  ): Promise<{ principal: PrincipalRecord; bindings: CiBinding[] } | null> {
    // First the epoch, then the rights: what is taken away between the two ends the token that is made of them.
    const name = workloadName(issuer, gitlabProjectId);
    const principal = await this.#source.manager.findOneBy(PrincipalEntity, { name });
    if (principal === null) return null;
    const bindings = await this.#source.manager.find(CiBindingEntity, {
      where: { issuer, gitlabProjectId },
      order: { id: 'ASC' },
    });
    if (bindings.length === 0) return null;
    return { principal: toPrincipal(principal), bindings };
  }
}

/** "#" is in no issuer (OpenID Connect Discovery forbids fragments), so no two projects share a name. */
function workloadName(issuer: string, gitlabProjectId: string): string {
  return `gitlab:${issuer}#${gitlabProjectId}`;
}

function toRecord(entity: CiBindingEntity, nodePath: string): CiBindingRecord {
  const { id, principalId, issuer, gitlabProjectId, gitlabProjectPath, nodeId, role, conditions, createdAt } =
    entity;
  return {
    id,
    principalId,
    issuer,
    gitlabProjectId,
    gitlabProjectPath,
    nodeId,
    nodePath,
    role,
    conditions,
    createdAt,
  };
}
