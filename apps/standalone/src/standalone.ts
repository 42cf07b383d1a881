import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { Health, type Logger, Metrics } from '@sluice/platform';
import type { StandaloneConfig } from './config.ts';
import { DataDirectory } from './data-directory.ts';
import { checkpointFor } from './fault-points.ts';
import { createFeatures, type Features } from './features.ts';
import { HttpServer } from './http-server.ts';
import { openState, type State } from './state.ts';
import { openStores, type Stores } from './stores.ts';
import { VERSION } from './version.ts';
import type { Greeting } from './welcome.ts';
import { Workers } from './workers.ts';

/** Readiness ends before the last bytes do, so that a load balancer can send pushes elsewhere. */
const DISK_RESERVE_BYTES = 64 * 1_048_576;

interface Running {
  readonly config: StandaloneConfig;
  readonly directory: DataDirectory;
  readonly state: State;
  readonly stores: Stores;
  readonly features: Features;
  readonly workers: Workers;
  readonly server: HttpServer;
  readonly health: Health;
}

/** The whole platform in one process. */
export class Standalone implements Greeting {
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
      const state = await openState(config, directory, logger);
      undo.push(() => state.close());
      const checkpoint = checkpointFor(config.faultPoint, logger);
      const stores = await openStores(state, logger, checkpoint);
      const features = await createFeatures({ config, directory, publicUrl, state, stores, checkpoint });
      undo.push(() => features.layerReader.close());

      const created = await features.identity.users.ensureFirstAdmin(config.adminPassword ?? null);
      await features.policies.ensureDefault();

      const [health, metrics] = [new Health(), new Metrics()];
      health.add({ name: 'database', check: async () => void (await state.database.query('SELECT 1')) });
      health.add({ name: 'blob-storage', check: () => checkDisk(config.blobStore ?? directory.blobs) });

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
        { config, directory, state, stores, features, workers, server, health },
      );
    } catch (error) {
      for (const step of undo.toReversed()) await step();
      throw error;
    }
  }

  /** Finishes running requests and jobs within the drain time, then closes everything in the order of use. */
  async stop(): Promise<void> {
    const { config, directory, state, stores, features, workers, server, health } = this.#running;
    const graceMs = config.drainSeconds * 1_000;
    health.drain();
    await server.drain(graceMs);
    await workers.stop(graceMs);
    await features.layerReader.close();
    await stores.denialLog.close();
    await state.close();
    directory.release();
  }
}

async function checkDisk(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < DISK_RESERVE_BYTES) throw new Error(`${directory} is full`);
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
