import { createServer } from 'node:net';
import { Health, type Logger, Metrics } from '@sluice/platform';
import {
  type Blobs,
  checkpointFor,
  openBlobs,
  openState,
  openStores,
  type RunningProcess,
  type State,
  type Stores,
} from '@sluice/runtime';
import type { StandaloneConfig } from './config.ts';
import { DataDirectory } from './data-directory.ts';
import { createFeatures, type Features } from './features.ts';
import { HttpServer } from './http-server.ts';
import { VERSION } from './version.ts';
import { type Greeting, welcome } from './welcome.ts';
import { Workers } from './workers.ts';

interface Running {
  readonly config: StandaloneConfig;
  readonly directory: DataDirectory;
  readonly state: State;
  readonly blobs: Blobs;
  readonly stores: Stores;
  readonly features: Features;
  readonly workers: Workers;
  readonly server: HttpServer;
  readonly health: Health;
}

/** The whole platform in one process. */
export class Standalone implements Greeting, RunningProcess {
  readonly publicUrl: string;
  readonly generatedPassword: string | null;
  readonly dataDirectory: string;
  readonly #running: Running;

  private constructor(greeting: Greeting, running: Running) {
    this.publicUrl = greeting.publicUrl;
    this.generatedPassword = greeting.generatedPassword;
    this.dataDirectory = greeting.dataDirectory;
    this.#running = running;
  }

  /**
   * Brings everything up and listens.
   *
   * @throws StartError when something outside keeps it from starting
   */
  static async start(config: StandaloneConfig, logger: Logger): Promise<Standalone> {
    const directory = await DataDirectory.claim(config.dataDir);
    const undo: (() => Promise<void> | void)[] = [() => directory.release()];
    try {
      const port = config.port === 0 ? await freePort(config.host) : config.port;
      const publicUrl = config.publicUrl ?? `http://${config.host}:${port}`;
      const state = await openState(
        { databaseUrl: config.databaseUrl, embeddedDirectory: directory.postgres, servesPulls: true },
        logger,
      );
      undo.push(() => state.close());
      const blobs = await openBlobs(config, directory.blobs);
      undo.push(() => blobs.close());
      const checkpoint = checkpointFor(config.faultPoint, logger);
      const stores = await openStores(state, logger, checkpoint);
      const features = await createFeatures({
        config,
        directory,
        publicUrl,
        blobs: blobs.storage,
        stores,
        checkpoint,
      });
      undo.push(() => features.layerReader.close());

      const created = await features.identity.users.ensureFirstAdmin(config.adminPassword ?? null);
      await features.policies.ensureDefault();

      const [health, metrics] = [new Health(), new Metrics()];
      health.add({ name: 'database', check: () => state.check() });
      health.add({ name: 'blob-storage', check: () => blobs.check() });

      const { identity } = features;
      const server = await HttpServer.create({
        api: {
          ...identity,
          ...features,
          advisories: stores.advisories,
          auditTrail: stores.auditTrail,
          denials: stores.denialList,
          health,
          jobs: stores.jobs,
          jobStatistics: stores.jobStatistics,
          publicUrl,
          version: VERSION,
          locators: {},
        },
        dataPlane: {
          authentication: identity.authentication,
          access: identity.accessControl,
          repositories: stores.catalog,
          manifests: features.manifests,
          blobs: features.blobs,
          uploads: features.uploads,
          challenge: {
            publicUrl,
            service: new URL(publicUrl).host,
            trustForwardedProto: config.trustedProxies.length > 0,
          },
        },
        tokenEndpoint: identity.tokenEndpoint,
        health,
        metrics,
        logger,
        trustedProxies: config.trustedProxies,
      });
      const workers = await Workers.start({ config, features, stores, state, logger, metrics, checkpoint });
      undo.push(() => workers.stop(0));

      await server.listen(port, config.host);
      logger.info({ event: 'process.ready', publicUrl }, 'Ready');
      return new Standalone(
        { publicUrl, generatedPassword: created?.password ?? null, dataDirectory: directory.path },
        { config, directory, state, blobs, stores, features, workers, server, health },
      );
    } catch (error) {
      for (const step of undo.toReversed()) await step();
      throw error;
    }
  }

  get greeting(): string {
    return welcome(this);
  }

  /** Finishes running requests and jobs within the drain time, then closes everything in the order of use. */
  async stop(): Promise<void> {
    const { config, directory, state, blobs, stores, features, workers, server, health } = this.#running;
    const graceMs = config.drainSeconds * 1_000;
    health.drain();
    await server.drain(graceMs);
    await workers.stop(graceMs);
    await features.layerReader.close();
    await stores.denialLog.close();
    await blobs.close();
    await state.close();
    directory.release();
  }
}

/** The public URL is needed before anything listens, so a port of one's own choice is chosen first. */
function freePort(host: string): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
