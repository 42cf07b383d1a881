import {
  BlobService,
  JudgedReads,
  ManifestService,
  PullGate,
  StatementCheck,
  UploadService,
  UploadSweep,
} from '@sluice/distribution';
import { Policies, Verdicts } from '@sluice/gate';
import type { Identity } from '@sluice/identity';
import {
  clientSettings,
  type ConfigOf,
  gateSettings,
  identitySettings,
  type Logger,
  required,
  uploadSettings,
} from '@sluice/platform';
import {
  type Background,
  type Endpoint,
  openIdentity,
  type Part,
  reportTo,
  type Runtime,
  type RunningProcess,
  sharedProcessSettings,
  startSharedProcess,
} from '@sluice/runtime';
import type { DataPlaneDependencies } from './dependencies.ts';
import { createRegistryHandler, isRegistryPath } from './server.ts';

/** A client that was told of a blob gets this long to push the manifest that names it. */
const LEASE_SECONDS = 86_400;
/** Manifests kept in memory; they never change under their digest. */
const MANIFEST_CACHE_BYTES = 128 * 1_048_576;
/** Expired uploads are removed this often. */
const SWEEP_INTERVAL_MS = 3_600_000;

/** What the registry needs of the settings, in whatever process it runs. */
export const registryPartSettings = {
  ...clientSettings,
  ...identitySettings,
  ...uploadSettings,
  ...gateSettings,
};

/** Settings of the registry as a process of its own. */
export const registrySettings = {
  ...sharedProcessSettings,
  ...registryPartSettings,
  publicUrl: required(
    clientSettings.publicUrl,
    'expected the URL under which clients reach Sluice, the same for all processes',
  ),
  tokenKeyFile: required(
    identitySettings.tokenKeyFile,
    'expected the file with the key that signs registry tokens, the same for all processes',
  ),
};

export type RegistryConfig = ConfigOf<typeof registryPartSettings> & { readonly publicUrl: string };

/** The registry as a process of its own. */
export function startRegistry(
  config: ConfigOf<typeof registrySettings>,
  logger: Logger,
): Promise<RunningProcess> {
  const wire = async (runtime: Runtime): Promise<Part> => {
    const { stores, limits } = runtime;
    const parts = { config, publicUrl: config.publicUrl, stores, limits, makesTokenKey: false };
    const identity = await openIdentity(parts, config.tokenKeyFile);
    await new Policies(stores.policies, stores.audit).ensureDefault();
    return registryPart(runtime, config, identity);
  };
  return startSharedProcess({ name: 'registry', servesPulls: true, wire }, config, logger);
}

/** Data plane, token endpoint and the sweep of uploads that nobody continues. */
export async function registryPart(
  runtime: Runtime,
  config: RegistryConfig,
  identity: Identity,
): Promise<Part> {
  const { stores, blobs, logger } = runtime;
  return {
    endpoints: [await openEndpoint(runtime, config, identity)],
    background: [
      uploadSweep(
        new UploadSweep(stores.uploadSessions, blobs, runtime.checkpoint),
        config.uploadSeconds * 1_000,
        logger,
      ),
    ],
  };
}

async function openEndpoint(runtime: Runtime, config: RegistryConfig, identity: Identity): Promise<Endpoint> {
  const { metrics, logger } = runtime;
  const handler = await createRegistryHandler({
    dataPlane: dataPlane(runtime, config, identity),
    tokenEndpoint: identity.tokenEndpoint,
    metrics,
    logger,
    trustedProxies: config.trustedProxies,
  });
  return { owns: isRegistryPath, ...handler };
}

function dataPlane(runtime: Runtime, config: RegistryConfig, identity: Identity): DataPlaneDependencies {
  const { stores, blobs, checkpoint } = runtime;
  const { publicUrl, gateHoldSeconds, trustedProxies } = config;
  const verdicts = new Verdicts(stores.verdicts, stores.jobs);
  const reads = new JudgedReads(stores.registryReads, (manifestId) => verdicts.judgeNow(manifestId));
  const gate = new PullGate(stores.verdictSignals, stores.denialLog, {
    holdMs: gateHoldSeconds * 1_000,
    publicUrl,
  });
  const lease = { leaseSeconds: LEASE_SECONDS };
  return {
    authentication: identity.authentication,
    access: identity.accessControl,
    repositories: stores.catalog,
    manifests: new ManifestService(
      reads,
      stores.manifestWrites,
      gate,
      new StatementCheck(reads, blobs),
      runtime.state.coherence,
      { ...lease, cacheBytes: MANIFEST_CACHE_BYTES },
    ),
    blobs: new BlobService(reads, stores.blobLinks, blobs, gate, stores.coherence, lease),
    uploads: new UploadService(
      stores.uploadSessions,
      blobs,
      { ...lease, sessionSeconds: config.uploadSeconds },
      checkpoint,
    ),
    challenge: {
      publicUrl,
      service: new URL(publicUrl).host,
      trustForwardedProto: trustedProxies.length > 0,
    },
  };
}

/**
 * Any number of replicas may sweep: what one has removed is gone for the others.
 *
 * @param orphanAgeMs an object whose upload nobody recorded is left alone for this long: the record may be on its way
 */
function uploadSweep(sweep: UploadSweep, orphanAgeMs: number, logger: Logger): Background {
  let timer: NodeJS.Timeout | undefined;
  const run = (): void => {
    sweep.run(new Date(Date.now() - orphanAgeMs)).catch(reportTo(logger));
  };
  return {
    start: async () => {
      run();
      timer = setInterval(run, SWEEP_INTERVAL_MS).unref();
    },
    stop: async () => clearInterval(timer),
  };
}
