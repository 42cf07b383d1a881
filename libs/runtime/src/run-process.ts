import { ConfigError, type ConfigOf, createLogger, type Logger, type Settings } from '@sluice/platform';
import { loadProcessConfig } from './config.ts';
import { EXIT, StartError } from './start-error.ts';

/** Signals within this time are one. */
const ONE_REQUEST_MS = 1_000;

/** A program that runs until it is told to stop. */
export interface RunningProcess {
  /** What a person who started it in a terminal is told once it is ready. */
  readonly greeting?: string;
  /** Finishes what runs and closes everything. */
  stop(): Promise<void>;
}

/**
 * Runs a program from its configuration to its documented exit code: loads the settings, starts it, waits for SIGINT
 * or SIGTERM and drains it. Never returns.
 */
export async function runProcess<S extends Settings & { readonly logLevel: Settings[string] }>(
  settings: S,
  start: (config: ConfigOf<S>, logger: Logger) => Promise<RunningProcess>,
): Promise<never> {
  try {
    const config = loadProcessConfig(settings);
    const logger = createLogger(String(config.logLevel));
    const stopRequested = signalled();
    const running = await start(config, logger);
    if (running.greeting !== undefined) process.stdout.write(`${running.greeting}\n`);
    const signal = await stopRequested;
    logger.info({ event: 'process.stopping', signal }, 'Stopping: running requests may finish');
    await running.stop();
    logger.info({ event: 'process.stopped' }, 'Stopped');
    process.exit(EXIT.ok);
  } catch (error) {
    const known = error instanceof StartError || error instanceof ConfigError;
    process.stderr.write(`${known ? `sluice: ${error.message}` : describe(error)}\n`);
    process.exit(error instanceof StartError ? error.exitCode : known ? EXIT.configuration : EXIT.internal);
  }
}

/**
 * Resolves at the first SIGINT or SIGTERM; a later one ends the process at once.
 *
 * A manager of processes may signal a whole group, whose parent passes the signal on as well: that is one request.
 */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let askedAt: number | null = null;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        askedAt ??= performance.now();
        resolve(signal);
        if (performance.now() - askedAt > ONE_REQUEST_MS) process.exit(EXIT.internal);
      });
    }
  });
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
