import { mkdir } from 'node:fs/promises';
import type { BlobStorage } from '@sluice/blob-storage';
import { FsBlobStorage } from '@sluice/blob-storage/fs';
import type { Notifications } from '@sluice/database';
import { EmbeddedPostgres } from '@sluice/database/embedded';
import {
  migrate,
  openDatabase,
  PipelinedConnections,
  PostgresNotifications,
} from '@sluice/database/postgres';
import type { Logger } from '@sluice/platform';
import type { StandaloneConfig } from './config.ts';
import type { DataDirectory } from './data-directory.ts';
import { StartError } from './start-error.ts';

type Database = Awaited<ReturnType<typeof openDatabase>>;

/** Where everything is kept while the process runs. Close it last. */
export interface State {
  readonly database: Database;
  readonly notifications: Notifications;
  /** For the reads of every pull. */
  readonly reads: PipelinedConnections;
  readonly blobs: BlobStorage;
  close(): Promise<void>;
}

/** Starts or reaches the database, brings its schema up to date, and opens blob storage. */
export async function openState(
  config: StandaloneConfig,
  directory: DataDirectory,
  logger: Logger,
): Promise<State> {
  const embedded = config.databaseUrl === undefined ? await startEmbedded(directory, logger) : null;
  const url = config.databaseUrl ?? embedded?.url('sluice') ?? '';
  try {
    const database = await connect(url);
    for (const migration of await migrate(database)) {
      logger.info({ event: 'database.migrated', migration }, 'Migrated the database');
    }
    const notifications = new PostgresNotifications({
      url,
      onError: (error) =>
        logger.warn({ event: 'database.listen-lost', err: error }, 'Lost the notification connection'),
    });
    const reads = new PipelinedConnections({
      url,
      onError: (error) => logger.warn({ event: 'database.reads-lost', err: error }, 'Lost a read connection'),
    });
    const blobs = await openBlobs(config.blobStore ?? directory.blobs);
    return {
      database,
      notifications,
      reads,
      blobs,
      close: async () => {
        await reads.close();
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

async function startEmbedded(directory: DataDirectory, logger: Logger): Promise<EmbeddedPostgres> {
  try {
    const server = await EmbeddedPostgres.start({
      directory: directory.postgres,
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

async function connect(url: string): Promise<Database> {
  try {
    return await openDatabase({ url });
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

async function openBlobs(directory: string): Promise<BlobStorage> {
  try {
    await mkdir(directory, { recursive: true });
    return await FsBlobStorage.open(directory);
  } catch (cause) {
    throw new StartError(`blob storage ${directory} is not usable: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}
