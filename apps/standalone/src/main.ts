import { ConfigError, createLogger } from '@sluice/platform';
import { loadStandaloneConfig } from './config.ts';
import { Standalone } from './standalone.ts';
import { EXIT, StartError } from './start-error.ts';
import { welcome } from './welcome.ts';

/** Starts the platform, waits for a signal, drains, and ends with a documented exit code. */
async function main(): Promise<number> {
  const config = loadStandaloneConfig(process.env, process.cwd());
  const logger = createLogger(config.logLevel);
  const stopRequested = signalled();
  const platform = await Standalone.start(config, logger);
  console.log(welcome(platform));
  const signal = await stopRequested;
  logger.info({ event: 'process.stopping', signal }, 'Stopping: running requests may finish');
  await platform.stop();
  logger.info({ event: 'process.stopped' }, 'Stopped');
  return EXIT.ok;
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(EXIT.internal));
        resolve(signal);
      });
    }
  });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const known = error instanceof StartError || error instanceof ConfigError;
    console.error(known ? `sluice: ${error.message}` : error);
    process.exit(error instanceof StartError ? error.exitCode : known ? EXIT.configuration : EXIT.internal);
  },
);
