import { ThreadLayerReader } from '@sluice/image-contents/threads';
import type { JobHandler } from '@sluice/jobs';
import { type ConfigOf, type Logger, scannerSettings } from '@sluice/platform';
import {
  type Part,
  type Runtime,
  type RunningProcess,
  sharedProcessSettings,
  startSharedProcess,
} from '@sluice/runtime';
import {
  AdvisoryImporter,
  AdvisoryRematcher,
  AdvisoryUploads,
  ArtifactScanner,
  ImageMatcher,
} from '@sluice/scanning';
import { scannerJobs } from './jobs.ts';

const SCAN_JOB = 'scan.artifact';

/** Settings of the scanner as a process of its own. */
export const scannerProcessSettings = { ...sharedProcessSettings, ...scannerSettings };

export type ScannerConfig = ConfigOf<typeof scannerSettings>;

/** The scanner as a process of its own. It answers nothing but questions after its health. */
export function startScanner(
  config: ConfigOf<typeof scannerProcessSettings>,
  logger: Logger,
): Promise<RunningProcess> {
  return startSharedProcess(
    { name: 'scanner', servesPulls: false, wire: (runtime) => scannerPart(runtime, config) },
    config,
    logger,
  );
}

/** Scans, imports of advisories, and new matches after them. */
export function scannerPart(runtime: Runtime, config: ScannerConfig): Part {
  const { stores, blobs, checkpoint } = runtime;
  const layerReader = new ThreadLayerReader();
  const matcher = new ImageMatcher(stores.inventories);
  const importer = new AdvisoryImporter(stores.advisories, undefined, checkpoint);
  const handlers = scannerJobs({
    scanner: new ArtifactScanner(stores.inventories, blobs, layerReader, matcher, checkpoint),
    rematcher: new AdvisoryRematcher(stores.advisories, stores.inventories, matcher),
    uploads: new AdvisoryUploads(blobs, stores.jobs, importer),
    onScanned: (digest, { read, known }) =>
      runtime.logger.info(
        { event: 'scan.finished', digest, layersRead: read.length, layersKnown: known.length },
        'Scanned an image',
      ),
  });
  return {
    work: {
      handlers: withScans(handlers, config, runtime),
      concurrency: { [SCAN_JOB]: config.scannerConcurrency },
    },
    close: () => layerReader.close(),
  };
}

/** Without a handler the scans stay queued, and what waits for them stays pending. */
function withScans(
  { [SCAN_JOB]: scan, ...others }: Readonly<Record<string, JobHandler>>,
  { scannerConcurrency }: ScannerConfig,
  { checkpoint }: Runtime,
): Readonly<Record<string, JobHandler>> {
  if (scannerConcurrency === 0 || scan === undefined) return others;
  return {
    ...others,
    [SCAN_JOB]: (payload, context) => {
      checkpoint('scan.claimed');
      return scan(payload, context);
    },
  };
}
