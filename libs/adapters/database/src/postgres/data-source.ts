import 'reflect-metadata';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { MIGRATION_LOCK } from './advisory-locks.ts';
import { Database } from './database.ts';
import { AccessGrantEntity } from './entities/access-grant.entity.ts';
import { CiBindingEntity } from './entities/ci-binding.entity.ts';
import { NodeEntity } from './entities/node.entity.ts';
import { PrincipalEntity } from './entities/principal.entity.ts';
import { SecretEntity } from './entities/secret.entity.ts';
import { Core1 } from './migrations/1-core.ts';
import { Scanning2 } from './migrations/2-scanning.ts';
import { Signing7 } from './migrations/7-signing.ts';
import { Registry3 } from './migrations/3-registry.ts';
import { Work4 } from './migrations/4-work.ts';
import { Catalog5 } from './migrations/5-catalog.ts';
import { Audit6 } from './migrations/6-audit.ts';
import { Gate8 } from './migrations/8-gate.ts';
import { Freshness9 } from './migrations/9-freshness.ts';
import { BlobRedirects10 } from './migrations/10-blob-redirects.ts';
import { KeyDomains11 } from './migrations/11-key-domains.ts';
import { Dispatch12 } from './migrations/12-dispatch.ts';
import { Protocol13 } from './migrations/13-protocol.ts';
import { ReadCoherence14 } from './migrations/14-read-coherence.ts';
import { PullMemory15 } from './migrations/15-pull-memory.ts';
import { PreparingClient } from './preparing-client.ts';

/** Every table that migrations make, oldest first. */
const MIGRATIONS = [
  Core1,
  Scanning2,
  Registry3,
  Work4,
  Catalog5,
  Audit6,
  Signing7,
  Gate8,
  Freshness9,
  BlobRedirects10,
  KeyDomains11,
  Dispatch12,
  Protocol13,
  ReadCoherence14,
  PullMemory15,
];

/** Tables that are read and written row by row; set-based and hot statements are SQL in the stores. */
const ENTITIES = [AccessGrantEntity, CiBindingEntity, NodeEntity, PrincipalEntity, SecretEntity];

/** Nothing that a job asks takes so long; a machine that vanished is silent for ever. */
const SILENT_MS = 10 * 60_000;
/** PostgreSQL ends a statement a little earlier than it is given up here, and with it whatever waits behind it. */
const STATEMENT_SHARE = 0.9;

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize?: number;
  readonly applicationName?: string;
  /** After so long a statement is given up, and its connection with it. Default {@link SILENT_MS}. */
  readonly silentMs?: number;
}

/** Connects to PostgreSQL without touching the schema. The caller owns the result and calls `destroy()`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, applicationName = 'sluice', silentMs = SILENT_MS } = options;
  const settings: DataSourceOptions = {
    type: 'postgres',
    url,
    poolSize: options.poolSize ?? 20,
    applicationName,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTableName: 'schema_migration',
    synchronize: false,
    logging: false,
    extra: {
      Client: PreparingClient,
      keepAlive: true,
      connectionTimeoutMillis: silentMs,
      query_timeout: silentMs,
      statement_timeout: Math.floor(silentMs * STATEMENT_SHARE),
    },
  };
  const database = new Database(settings, url, applicationName);
  await database.initialize();
  return database;
}

/** Brings the schema up to date, each migration in its own transaction, one replica at a time. Returns what ran. */
export async function migrate(database: DataSource): Promise<string[]> {
  // On connections of its own: to wait for another replica, or to change a large table, takes longer than any request may.
  const source = await new DataSource({
    ...database.options,
    extra: { keepAlive: true },
  } as DataSourceOptions).initialize();
  const holder = source.createQueryRunner();
  await holder.connect();
  try {
    await holder.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const ran = await source.runMigrations({ transaction: 'each' });
    return ran.map((migration) => migration.name);
  } finally {
    await holder.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await holder.release();
    await source.destroy();
  }
}
