import { type Dispatcher, type JobHandler, OutboxRelay } from '@sluice/jobs';
import type { Logger, Metrics } from '@sluice/platform';
import { verdictJobs } from '@sluice/gate';
import { scannerJobs } from '@sluice/scanner';
import { type Checkpoint, reportTo, startJobs, type State, type Stores } from '@sluice/runtime';
import { signerJobs } from '@sluice/signer';
import type { StandaloneConfig } from './config.ts';
import type { Features } from './features.ts';
import { subscribers } from './subscriptions.ts';

const SCAN_JOB = 'scan.artifact';
/** Expired uploads are removed this often. */
const SWEEP_INTERVAL_MS = 3_600_000;
/** An object whose upload nobody recorded is left alone for this long: the record may be on its way. */
const ORPHAN_AGE_MS = 86_400_000;

/** Everything that happens without a request: events become jobs, jobs are done, expired uploads are swept. */
export class Workers {
  readonly #relay: OutboxRelay;
  readonly #dispatcher: Dispatcher;
  readonly #sweepTimer: NodeJS.Timeout;

  private constructor(relay: OutboxRelay, dispatcher: Dispatcher, sweepTimer: NodeJS.Timeout) {
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
    const onError = reportTo(logger);
    // The embedded database has one process, so what still runs in its ledger died with an earlier one.
    if (config.databaseUrl === undefined) await stores.jobQueue.endLeases();
    const dispatcher = await startJobs(
      { state, stores, logger, metrics },
      {
        handlers: {
          ...verdictJobs(features.verdicts),
          ...signerJobs({ verifier: features.verifier, sweep: features.signatureSweep }),
          ...scanningJobs(config, features, logger, checkpoint),
        },
        concurrency: {
          'scan.artifact': config.scannerConcurrency,
          'verdict.evaluate': 4,
          'signature.verify': 2,
        },
      },
    );
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
