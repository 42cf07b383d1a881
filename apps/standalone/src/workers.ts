import { type JobHandler, OutboxRelay } from '@sluice/jobs';
import { LocalDispatcher } from '@sluice/jobs/local';
import type { Logger, Metrics } from '@sluice/platform';
import { verdictJobs } from '@sluice/gate';
import { scannerJobs } from '@sluice/scanner';
import { signerJobs } from '@sluice/signer';
import type { StandaloneConfig } from './config.ts';
import type { Checkpoint } from './fault-points.ts';
import type { Features } from './features.ts';
import type { State } from './state.ts';
import type { Stores } from './stores.ts';
import { subscribers } from './subscriptions.ts';

const SCAN_JOB = 'scan.artifact';
/** Expired uploads are removed this often. */
const SWEEP_INTERVAL_MS = 3_600_000;
/** An object whose upload nobody recorded is left alone for this long: the record may be on its way. */
const ORPHAN_AGE_MS = 86_400_000;

/** Everything that happens without a request: events become jobs, jobs are done, expired uploads are swept. */
export class Workers {
  readonly #relay: OutboxRelay;
  readonly #dispatcher: LocalDispatcher;
  readonly #sweepTimer: NodeJS.Timeout;

  private constructor(relay: OutboxRelay, dispatcher: LocalDispatcher, sweepTimer: NodeJS.Timeout) {
    this.#relay = relay;
    this.#dispatcher = dispatcher;
    this.#sweepTimer = sweepTimer;
  }

  static async start(parts: {
    readonly config: StandaloneConfig;
    readonly features: Features;
    readonly stores: Stores;
    readonly state: State;
    readonly logger: Logger;
    readonly metrics: Metrics;
    readonly checkpoint: Checkpoint;
  }): Promise<Workers> {
    const { config, features, stores, state, logger, metrics, checkpoint } = parts;
    const onError = (error: unknown): void =>
      logger.error({ event: 'worker.fault', err: error }, 'A worker met a fault and goes on');
    // The embedded database has one process, so what still runs in its ledger died with an earlier one.
    if (config.databaseUrl === undefined) await stores.jobQueue.endLeases();
    const dispatcher = new LocalDispatcher(stores.jobQueue, state.notifications, { onError });
    const handlers = observed(
      {
        ...verdictJobs(features.verdicts),
        ...signerJobs({ verifier: features.verifier, sweep: features.signatureSweep }),
        ...scanningJobs(config, features, logger, checkpoint),
      },
      logger,
      metrics,
    );
    await dispatcher.start(handlers, {
      concurrency: {
        'scan.artifact': config.scannerConcurrency,
        'verdict.evaluate': 4,
        'signature.verify': 2,
      },
    });
    const relay = new OutboxRelay(stores.outbox, state.notifications, subscribers(features.verdictEvents), {
      onError,
    });
    await relay.start();
    const sweep = (): void => {
      features.uploadSweep.run(new Date(Date.now() - ORPHAN_AGE_MS)).catch(onError);
    };
    sweep();
    return new Workers(relay, dispatcher, setInterval(sweep, SWEEP_INTERVAL_MS).unref());
  }

  /** Starts nothing new and waits for what runs, at most `graceMs`; what is cut off is done again later. */
  async stop(graceMs: number): Promise<void> {
    clearInterval(this.#sweepTimer);
    await this.#relay.stop();
    await this.#dispatcher.stop({ graceMs });
  }
}

/** Without a handler the scans stay queued, and what waits for them stays pending. */
function scanningJobs(
  config: StandaloneConfig,
  features: Features,
  logger: Logger,
  checkpoint: Checkpoint,
): Readonly<Record<string, JobHandler>> {
  const { [SCAN_JOB]: scan, ...others } = scannerJobs({
    scanner: features.scanner,
    rematcher: features.rematcher,
    uploads: features.advisoryUploads,
    onScanned: (digest, { read, known }) =>
      logger.info(
        { event: 'scan.finished', digest, layersRead: read.length, layersKnown: known.length },
        'Scanned an image',
      ),
  });
  if (config.scannerConcurrency === 0 || scan === undefined) return others;
  return {
    ...others,
    [SCAN_JOB]: (payload, context) => {
      checkpoint('scan.claimed');
      return scan(payload, context);
    },
  };
}

/** Logs and counts how jobs end. */
function observed(
  handlers: Readonly<Record<string, JobHandler>>,
  logger: Logger,
  metrics: Metrics,
): Record<string, JobHandler> {
  return Object.fromEntries(
    Object.entries(handlers).map(([kind, handler]) => [
      kind,
      async (payload: unknown, context: Parameters<JobHandler>[1]) => {
        try {
          await handler(payload, context);
          metrics.jobs.inc({ kind, result: 'succeeded' });
          logger.debug({ event: 'job.succeeded', kind, jobId: context.jobId }, 'A job is done');
        } catch (error) {
          metrics.jobs.inc({ kind, result: 'failed' });
          const record = {
            event: 'job.failed',
            kind,
            jobId: context.jobId,
            attempt: context.attempt,
            err: error,
          };
          logger.warn(record, 'An attempt at a job failed');
          throw error;
        }
      },
    ]),
  );
}
