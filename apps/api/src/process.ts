import { randomUUID } from 'node:crypto';
import { Catalog } from '@sluice/catalog';
import { Policies, verdictJobs, VerdictEvents, Verdicts } from '@sluice/gate';
import type { Identity } from '@sluice/identity';
import { OutboxRelay } from '@sluice/jobs';
import {
  adminSettings,
  clientSettings,
  type ConfigOf,
  identitySettings,
  limitBodies,
  type Logger,
  observeRequests,
  required,
} from '@sluice/platform';
import { Members, Projects } from '@sluice/projects';
import {
  type Endpoint,
  openIdentity,
  type Part,
  reportTo,
  type Runtime,
  type RunningProcess,
  sharedProcessSettings,
  startSharedProcess,
  VERSION,
} from '@sluice/runtime';
import { AdvisoryImporter, AdvisoryUploads, Sboms } from '@sluice/scanning';
import { SignatureEvents, TrustedKeys } from '@sluice/signing';
import { StorageKeys } from '@sluice/storage-keys';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { ApiDependencies } from './api-dependencies.ts';
import { GateFreshness } from './content/gate-freshness.ts';
import { createApi } from './create-api.ts';
import { storageJobs } from './storage/storage-jobs.ts';
import { subscribers } from './subscriptions.ts';

/** API documents are small; files are streamed past this. */
const BODY_LIMIT_BYTES = 1_048_576;
/** Verdicts that one process works out at once. */
const VERDICT_CONCURRENCY = 4;

/** What the API needs of the settings, in whatever process it runs. */
export const apiPartSettings = { ...clientSettings, ...identitySettings };

/** Settings of the API as a process of its own. */
export const apiSettings = {
  ...sharedProcessSettings,
  ...apiPartSettings,
  ...adminSettings,
  publicUrl: required(
    clientSettings.publicUrl,
    'expected the URL under which clients reach Sluice, the same for all processes',
  ),
  tokenKeyFile: required(
    identitySettings.tokenKeyFile,
    'expected the file with the key that signs registry tokens, the same for all processes',
  ),
};

export type ApiConfig = ConfigOf<typeof apiPartSettings> & { readonly publicUrl: string };

/** The API as a process of its own. */
export async function startApi(
  config: ConfigOf<typeof apiSettings>,
  logger: Logger,
): Promise<RunningProcess> {
  const made: { password: string | null } = { password: null };
  const wire = async (runtime: Runtime): Promise<Part> => {
    const { stores, limits } = runtime;
    const parts = { config, publicUrl: config.publicUrl, stores, limits, makesTokenKey: false };
    const identity = await openIdentity(parts, config.tokenKeyFile);
    made.password = await prepareInstallation(runtime, identity, config.adminPassword);
    return apiPart(runtime, config, identity);
  };
  const running = await startSharedProcess({ name: 'api', servesPulls: false, wire }, config, logger);
  return made.password === null
    ? running
    : { ...running, greeting: `First admin: admin / ${made.password}   (shown once; keep it)` };
}

/**
 * Gives a new installation its first admin and its default policy. Of several processes that start at once one makes
 * them.
 *
 * @returns the password that was made up for the admin, null when there is nothing to show
 */
export async function prepareInstallation(
  { stores }: Runtime,
  identity: Identity,
  adminPassword: string | undefined,
): Promise<string | null> {
  const created = await identity.users.ensureFirstAdmin(adminPassword ?? null);
  await new Policies(stores.policies, stores.audit).ensureDefault();
  return created?.password ?? null;
}

/** The API below `/api/v1`, and the control plane: events become jobs, and verdicts are worked out. */
export async function apiPart(runtime: Runtime, config: ApiConfig, identity: Identity): Promise<Part> {
  const { stores, state, logger } = runtime;
  const verdicts = new Verdicts(stores.verdicts, stores.jobs);
  const relay = new OutboxRelay(
    stores.outbox,
    state.notifications,
    subscribers(new SignatureEvents(stores.signatures), new VerdictEvents(stores.verdicts)),
    { onError: reportTo(logger) },
  );
  return {
    endpoints: [await openEndpoint(runtime, config, dependencies(runtime, config, identity, verdicts))],
    work: {
      handlers: {
        ...verdictJobs(verdicts),
        ...storageJobs(stores.objectKeyEnvelopes, runtime.storageKeys),
      },
      concurrency: { 'verdict.evaluate': VERDICT_CONCURRENCY },
    },
    background: [relay],
  };
}

/** Everything that no endpoint before it owns. */
async function openEndpoint(
  { logger, metrics }: Runtime,
  { trustedProxies }: ApiConfig,
  api: ApiDependencies,
): Promise<Endpoint> {
  const server = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: 300 },
  }) as unknown as FastifyInstance;
  observeRequests(server, metrics);
  limitBodies(server);
  const app = await createApi(api, { server });
  await server.ready();
  return {
    owns: () => true,
    handle: (request, response) => server.routing(request, response),
    close: () => app.close(),
  };
}

function dependencies(
  { stores, blobs, storageKeys, health, checkpoint }: Runtime,
  { publicUrl }: ApiConfig,
  identity: Identity,
  verdicts: Verdicts,
): ApiDependencies {
  const importer = new AdvisoryImporter(stores.advisories, undefined, checkpoint);
  return {
    ...identity,
    advisories: stores.advisories,
    advisoryUploads: new AdvisoryUploads(blobs, stores.jobs, importer),
    auditTrail: stores.auditTrail,
    catalog: new Catalog(stores.catalog, stores.verdictSignals, new GateFreshness(verdicts)),
    coherence: stores.coherence,
    denials: stores.denialList,
    health,
    jobs: stores.jobs,
    jobStatistics: stores.jobStatistics,
    members: new Members(stores.grants, stores.audit),
    policies: new Policies(stores.policies, stores.audit),
    projects: new Projects(stores.nodes, stores.audit),
    publicUrl,
    sboms: new Sboms(stores.inventories),
    storageKeys: new StorageKeys(
      stores.objectKeyEnvelopes,
      stores.keyDomains,
      stores.jobs,
      stores.audit,
      storageKeys,
    ),
    trustedKeys: new TrustedKeys(stores.trustedKeys, stores.audit),
    version: VERSION,
    locators: {},
  };
}
