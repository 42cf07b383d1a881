import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { PipelinedConnections } from './pipelined-connections.ts';
import { PLAN_ONCE_OPTIONS } from './plan-once.ts';
import { PreparingClient } from './preparing-client.ts';

/** Statements of their own, and transactions that are under way, at once. */
const PLANNED_CONNECTIONS = 4;
const TRANSACTIONS_MAX = 8;
/** As those of every push: a commit waits for the disk. */
const TIMEOUT_MS = 60_000;

/**
 * The database, as TypeORM sees it, and beside it the connections of the hot paths, on which every statement is planned
 * once. They are opened when they are needed.
 */
export class Database extends DataSource {
  /** For single statements; use {@link runPlanned}. */
  readonly planned: PipelinedConnections;
  /** For transactions; use {@link inTransaction}. */
  readonly transactions: pg.Pool;

  constructor(options: DataSourceOptions, url: string, applicationName: string) {
    super(options);
    this.planned = new PipelinedConnections({
      url,
      connections: PLANNED_CONNECTIONS,
      timeoutMs: TIMEOUT_MS,
    });
    const client = { Client: PreparingClient, pipeline: true } as pg.PoolConfig;
    this.transactions = new pg.Pool({
      ...client,
      connectionString: url,
      application_name: applicationName,
      max: TRANSACTIONS_MAX,
      keepAlive: true,
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      options: PLAN_ONCE_OPTIONS,
    });
    // One that breaks while nobody uses it is replaced by the next who asks.
    this.transactions.on('error', () => undefined);
  }

  override async destroy(): Promise<void> {
    await this.planned.close();
    if (!this.transactions.ending) await this.transactions.end();
    await super.destroy();
  }
}
