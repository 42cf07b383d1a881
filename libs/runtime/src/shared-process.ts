import {
  blobSettings,
  databaseSettings,
  listenSettings,
  type Logger,
  processSettings,
  required,
} from '@sluice/platform';
import { Host, type HostConfig } from './host.ts';
import { prepareListening } from './http-listener.ts';
import { openRuntime, type Runtime, type RuntimeConfig } from './open-runtime.ts';
import type { Part } from './part.ts';
import type { RunningProcess } from './run-process.ts';

/** Settings of a process that shares database and blob storage with others, and so has to be told of them. */
export const sharedProcessSettings = {
  ...processSettings,
  ...listenSettings,
  ...databaseSettings,
  databaseUrl: required(
    databaseSettings.databaseUrl,
    'expected postgres://user:password@host/database: a separate process has no database of its own (`npm start` runs everything in one process on an embedded one)',
  ),
  ...blobSettings,
  blobStore: required(
    blobSettings.blobStore,
    'expected s3://bucket?endpoint=… or file:///directory, the same for all processes: a separate process has no blob storage of its own',
  ),
};

/**
 * Starts a process that shares its state with others.
 *
 * @param app.name for the log
 * @param app.wire makes its part
 */
export async function startSharedProcess<Config extends RuntimeConfig & HostConfig>(
  app: {
    readonly name: string;
    readonly servesPulls: boolean;
    readonly wire: (runtime: Runtime) => Promise<Part> | Part;
  },
  given: Config,
  logger: Logger,
): Promise<RunningProcess> {
  const config = await prepareListening(given);
  const runtime = await openRuntime(config, logger, { own: null, servesPulls: app.servesPulls });
  try {
    const host = await Host.start(config, runtime, [await app.wire(runtime)]);
    logger.info({ event: 'process.ready', process: app.name, host: config.host, port: config.port }, 'Ready');
    return {
      stop: async () => {
        await host.stop();
        await runtime.close();
      },
    };
  } catch (error) {
    await runtime.close();
    throw error;
  }
}
