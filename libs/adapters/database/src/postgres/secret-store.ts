import { AccessError } from '@sluice/domain/access';
import { type DataSource, type EntityManager, LessThan } from 'typeorm';
import { newId } from '../ids.ts';
import type { PrincipalRecord } from '../ports/principal-store.ts';
import { type NewSecret, type SecretQuery, type SecretRecord, SecretStore } from '../ports/secret-store.ts';
import { PrincipalEntity } from './entities/principal.entity.ts';
import { SecretEntity } from './entities/secret.entity.ts';
import { raiseEpoch, toPrincipal } from './principal-store.ts';

const LIVE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())';

export class PostgresSecretStore extends SecretStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  create(
    secret: NewSecret,
    liveLimit: number,
    whenFull: 'refuse' | 'revoke-oldest' = 'refuse',
  ): Promise<SecretRecord> {
    return this.#source.transaction(async (manager) => {
      // The lock on the principal makes counting and inserting one step.
      const owner = await manager.findOne(PrincipalEntity, {
        where: { id: secret.principalId },
        lock: { mode: 'pessimistic_write' },
      });
      if (owner === null) throw new AccessError('principal-unknown', 'there is no such user or robot');
      if (whenFull === 'revoke-oldest') await keepNewest(manager, secret, liveLimit - 1);
      const live = await countLive(manager, secret);
      if (live >= liveLimit) {
        throw new AccessError(
          'limit-reached',
          `${live} are alive and at most ${liveLimit} may be: revoke one first`,
        );
      }
      const entity = manager.create(SecretEntity, {
        ...secret,
        id: newId(),
        revokedAt: null,
        lastUsedAt: null,
      });
      await manager.insert(SecretEntity, entity);
      return toSecret(entity);
    });
  }

  async byHash(hash: Buffer): Promise<{ secret: SecretRecord; principal: PrincipalRecord } | null> {
    const found = await this.#source.manager
      .createQueryBuilder(SecretEntity, 'secret')
      .innerJoinAndMapOne('secret.owner', PrincipalEntity, 'owner', 'owner.id = secret.principalId')
      .where('secret.hash = :hash', { hash })
      .getOne();
    if (found === null) return null;
    const { owner, ...secret } = found as SecretEntity & { owner: PrincipalEntity };
    return { secret: toSecret(secret), principal: toPrincipal(owner) };
  }

  async get(id: string): Promise<SecretRecord | null> {
    const entity = await this.#source.manager.findOneBy(SecretEntity, { id });
    return entity === null ? null : toSecret(entity);
  }

  async list(query: SecretQuery): Promise<SecretRecord[]> {
    const { principalId, kind, after, limit } = query;
    const entities = await this.#source.manager.find(SecretEntity, {
      where: { principalId, kind, ...(after === null ? {} : { id: LessThan(after) }) },
      // Ids are ordered by time of creation (UUID version 7).
      order: { id: 'DESC' },
      take: limit,
    });
    return entities.map(toSecret);
  }

  async revoke(id: string): Promise<boolean> {
    return this.#source.transaction(async (manager) => {
      const secret = await manager.findOneBy(SecretEntity, { id });
      const { affected } = await manager
        .createQueryBuilder()
        .update(SecretEntity)
        .set({ revokedAt: () => 'now()' })
        .where(`id = :id AND ${LIVE}`, { id })
        .execute();
      if (secret === null || affected !== 1) return false;
      await raiseEpoch(manager, secret.principalId);
      return true;
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

function countLive(manager: EntityManager, { principalId, kind }: NewSecret): Promise<number> {
  return manager
    .createQueryBuilder(SecretEntity, 'secret')
    .where({ principalId, kind })
    .andWhere(LIVE)
    .getCount();
}

/** The epoch stays: what was issued for the others goes on, and what these got ends within minutes. */
async function keepNewest(
  manager: EntityManager,
  { principalId, kind }: NewSecret,
  count: number,
): Promise<void> {
  await manager.query(
    `UPDATE secret SET revoked_at = now() WHERE id IN (
       SELECT id FROM secret WHERE principal_id = $1 AND kind = $2 AND ${LIVE} ORDER BY id DESC OFFSET $3)`,
    [principalId, kind, count],
  );
}

function toSecret(entity: SecretEntity): SecretRecord {
  const { hash: _, ...record } = entity;
  return record;
}
