import { AccessError } from '@sluice/domain/access';
import { type DataSource, type EntityManager, MoreThan } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type NewPrincipal,
  type PrincipalChange,
  type PrincipalQuery,
  type PrincipalRecord,
  PrincipalStore,
} from '../ports/principal-store.ts';
import { ADMIN_LOCK } from './advisory-locks.ts';
import { PrincipalEntity } from './entities/principal.entity.ts';
import { SecretEntity } from './entities/secret.entity.ts';
import { queryRows, sqlState, UNIQUE_VIOLATION } from './sql.ts';

const BY_ID = `
  SELECT id, kind, name, display_name AS "displayName", email, password_hash AS "passwordHash",
    is_admin AS "isAdmin", node_id AS "nodeId", epoch, disabled_at AS "disabledAt", expires_at AS "expiresAt",
    created_at AS "createdAt"
  FROM principal WHERE id = $1`;

export class PostgresPrincipalStore extends PrincipalStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async create(principal: NewPrincipal): Promise<PrincipalRecord> {
    const entity = this.#source.manager.create(PrincipalEntity, {
      id: newId(),
      kind: principal.kind,
      name: principal.name,
      displayName: principal.displayName ?? '',
      email: principal.email ?? null,
      passwordHash: principal.passwordHash ?? null,
      isAdmin: principal.isAdmin ?? false,
      nodeId: principal.nodeId ?? null,
      epoch: 1,
      disabledAt: null,
      expiresAt: principal.expiresAt ?? null,
    });
    try {
      await this.#source.manager.insert(PrincipalEntity, entity);
    } catch (error) {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw new AccessError('name-taken', `the name ${principal.name} is taken`, { cause: error });
    }
    return toPrincipal(entity);
  }

  async byId(id: string): Promise<PrincipalRecord | null> {
    // Every request that writes asks for its principal; putting the statement together took longer than running it.
    const [entity] = await queryRows<PrincipalEntity>(this.#source, BY_ID, [id]);
    return entity === undefined ? null : toPrincipal(entity);
  }

  async byName(name: string): Promise<(PrincipalRecord & { passwordHash: string | null }) | null> {
    const entity = await this.#source.manager.findOneBy(PrincipalEntity, { name });
    return entity === null ? null : { ...toPrincipal(entity), passwordHash: entity.passwordHash };
  }

  async list(query: PrincipalQuery): Promise<PrincipalRecord[]> {
    const entities = await this.#source.manager.find(PrincipalEntity, {
      where: {
        kind: query.kind,
        ...(query.nodeId === undefined ? {} : { nodeId: query.nodeId }),
        ...(query.after === null ? {} : { name: MoreThan(query.after) }),
      },
      order: { name: 'ASC' },
      take: query.limit,
    });
    return entities.map(toPrincipal);
  }

  update(id: string, change: PrincipalChange): Promise<PrincipalRecord> {
    return this.#source.transaction(async (manager) => {
      const takesAway =
        change.isAdmin === false || change.disabled === true || change.expiresAt instanceof Date;
      if (takesAway) await keepAnAdmin(manager, id);
      const entity = await manager.findOne(PrincipalEntity, {
        where: { id },
        lock: { mode: 'pessimistic_write' },
      });
      if (entity === null) throw unknown();
      entity.displayName = change.displayName ?? entity.displayName;
      if (change.email !== undefined) entity.email = change.email;
      if (change.passwordHash !== undefined) entity.passwordHash = change.passwordHash;
      entity.isAdmin = change.isAdmin ?? entity.isAdmin;
      if (change.disabled !== undefined) {
        entity.disabledAt = change.disabled ? (entity.disabledAt ?? new Date()) : null;
      }
      if (change.expiresAt !== undefined) entity.expiresAt = change.expiresAt;
      if (takesAway || change.passwordHash !== undefined) entity.epoch++;
      await manager.save(entity);
      if (change.passwordHash !== undefined) await revokeRefreshTokens(manager, id);
      return toPrincipal(entity);
    });
  }

  async delete(id: string): Promise<void> {
    await this.#source.transaction(async (manager) => {
      await keepAnAdmin(manager, id);
      const { affected } = await manager.delete(PrincipalEntity, { id });
      if (affected === 0) throw unknown();
    });
  }

  hasAdmin(): Promise<boolean> {
    return this.#source.manager.existsBy(PrincipalEntity, { isAdmin: true });
  }
}

/** Ends every token that was issued for the principal until now. */
export async function raiseEpoch(manager: EntityManager, principalId: string): Promise<void> {
  await manager.increment(PrincipalEntity, { id: principalId }, 'epoch', 1);
}

export function toPrincipal(entity: PrincipalEntity): PrincipalRecord {
  const { passwordHash: _, ...record } = entity;
  return record;
}

async function revokeRefreshTokens(manager: EntityManager, principalId: string): Promise<void> {
  await manager
    .createQueryBuilder()
    .update(SecretEntity)
    .set({ revokedAt: () => 'now()' })
    .where(`principal_id = :principalId AND kind = 'refresh' AND revoked_at IS NULL`, { principalId })
    .execute();
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
