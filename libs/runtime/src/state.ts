import type { Notifications, ReadCoherence } from '@sluice/database';
import { EmbeddedPostgres } from '@sluice/database/embedded';
import {
  findNewerSchema,
  migrate,
  openDatabase,
  PipelinedConnections,
  PostgresNotifications,
  PostgresReadCoherence,
} from '@sluice/database/postgres';
import type { Logger } from '@sluice/platform';
import { StartError } from './start-error.ts';
import { VERSION } from './version.ts';

/** A commit waits for the disk, and so do those behind it on its connection. */
const WRITE_CONNECTIONS = 6;

/** What requests ask of the database takes no longer. */
const REQUEST_SILENT_MS = 60_000;

type Database = Awaited<ReturnType<typeof openDatabase>>;

/** The database, as every process holds it while it runs. Close it last. */
export interface State {
  readonly database: Database;
  readonly notifications: Notifications;
  readonly coherence: ReadCoherence;
  /** For the reads of every pull. */
  readonly reads: PipelinedConnections;
  /** For the transactions of every push. */
  readonly writes: PipelinedConnections;
  /** A check of `/readyz`. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface StateOptions {
  /** `postgres://…`; undefined for an embedded server. */
  readonly databaseUrl: string | undefined;
  /** Where the embedded server keeps its files; null in processes that share their database with others. */
  readonly embeddedDirectory: string | null;
  /** Whether the process serves pulls, which are answered from memory. Default false. */
  readonly servesPulls?: boolean;
}

/**
 * Starts or reaches the database and brings its schema up to date. Of several processes that start at once one
 * migrates, the others wait for it.
 */
export async function openState(options: StateOptions, logger: Logger): Promise<State> {
  const { databaseUrl, embeddedDirectory } = options;
  const embedded =
    databaseUrl === undefined && embeddedDirectory !== null
      ? await startEmbedded(embeddedDirectory, logger)
      : null;
  const url = databaseUrl ?? embedded?.url('sluice') ?? '';
  try {
    // A registry of its own does nothing but serve requests; every other process also works on jobs.
    const isRegistry = options.servesPulls === true && embeddedDirectory === null;
    const database = await connect(url, isRegistry ? REQUEST_SILENT_MS : undefined);
    await bringSchemaUpToDate(database, logger);
    const notifications = new PostgresNotifications({
      url,
      onError: (error) =>
        logger.warn({ event: 'database.listen-lost', err: error }, 'Lost the notification connection'),
    });
    const reads = new PipelinedConnections({
      url,
      onError: (error) => logger.warn({ event: 'database.reads-lost', err: error }, 'Lost a read connection'),
    });
    const writes = new PipelinedConnections({
      url,
      connections: WRITE_CONNECTIONS,
      timeoutMs: 60_000,
      onError: (error) =>
        logger.warn({ event: 'database.writes-lost', err: error }, 'Lost a write connection'),
    });
    const coherence = await PostgresReadCoherence.open(database, notifications, {
      isReader: options.servesPulls === true,
      onError: (error) =>
        logger.warn({ event: 'reads.coherence', err: error }, 'Reads are not answered from memory for now'),
    });
    return {
      database,
      notifications,
      coherence,
      reads,
      writes,
      check: async () => void (await database.query('SELECT 1')),
      close: async () => {
        await coherence.close();
        await reads.close();
        await writes.close();
        await notifications.close();
        await database.destroy();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** @throws StartError when the schema belongs to a newer Sluice that this one cannot work beside, or cannot be changed */
async function bringSchemaUpToDate(database: Database, logger: Logger): Promise<void> {
  const newer = await findNewerSchema(database);
  if (newer?.isBreaking) {
    throw new StartError(
      `this Sluice (${VERSION}) is older than the schema of its database, which a newer one has made ` +
        `(${newer.unknown.join(', ')}): start the newer release`,
    );
  }
  if (newer !== null) {
    const record = { event: 'database.schema-newer', migrations: newer.unknown, version: VERSION };
    logger.warn(record, 'The schema of the database belongs to a newer Sluice; this one works on beside it');
  }
  try {
    for (const migration of await migrate(database)) {
      logger.info({ event: 'database.migrated', migration }, 'Migrated the database');
    }
  } catch (cause) {
    throw new StartError(
      `this Sluice (${VERSION}) is newer than the schema of its database, and cannot bring it up to date: ` +
        (cause as Error).message,
      undefined,
      { cause },
    );
  }
}

async function startEmbedded(directory: string, logger: Logger): Promise<EmbeddedPostgres> {
  try {
    const server = await EmbeddedPostgres.start({
      directory,
      onProgress: (step) => logger.info({ event: 'database.starting' }, step),
    });
    await server.ensureDatabase('sluice');
    return server;
  } catch (cause) {
    throw new StartError(`the embedded database does not start: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}

async function connect(url: string, silentMs: number | undefined): Promise<Database> {
  try {
    return await openDatabase({ url, ...(silentMs === undefined ? {} : { silentMs }) });
  } catch (cause) {
    throw new StartError(
      `cannot reach the database of SLUICE_DATABASE_URL: ${(cause as Error).message}`,
      undefined,
      {
        cause,
      },
    );
  }
}
