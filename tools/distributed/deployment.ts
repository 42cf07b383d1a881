import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { freePort } from '../system/platform.ts';
import { startVersityGw } from '../system/s3-server.ts';
import { type AppName, AppProcess } from './app-process.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { RoundRobinProxy } from './proxy.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { removeTree } from './remove-tree.ts';

export interface DeploymentOptions {
  /** Replicas of each app. */
  readonly replicas: Readonly<Record<AppName, number>>;
  /** `s3` starts an S3 server, `fs` is a directory that all processes share. */
  readonly storage: 's3' | 'fs';
  readonly redis: boolean;
  /** Port of the one address of all; 0 for a free one. */
  readonly port: number;
  readonly adminPassword: string;
  /** Further settings of all processes, `SLUICE_…`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Told of every step, for whoever waits. */
  readonly onStep?: (step: string) => void;
}

/** A server that was started, and how to end it. */
interface Started {
  stop(): Promise<void>;
}

type DeploymentParts = Pick<Deployment, 'url' | 'postgres' | 'redis' | 'environment'>;

/**
 * Sluice as it runs in production, on one machine: external PostgreSQL, Redis and S3, every app as processes of its
 * own, and one address in front of them. Everything is gone when it stops.
 */
export class Deployment {
  readonly url: string;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer | null;
  /** What every process was told. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #processes: readonly AppProcess[];
  /** In the order of their start. */
  readonly #started: readonly Started[];

  private constructor(parts: DeploymentParts, processes: readonly AppProcess[], started: readonly Started[]) {
    this.url = parts.url;
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.environment = parts.environment;
    this.#processes = processes;
    this.#started = started;
  }

  /** Starts everything and waits until every process is ready. What had started when it fails is stopped again. */
  static async start(options: DeploymentOptions): Promise<Deployment> {
    const started: Started[] = [];
    const keep = <Server extends Started>(server: Server): Server => {
      started.push(server);
      return server;
    };
    try {
      const { processes, ...parts } = await assemble(options, keep);
      return new Deployment(parts, processes, started);
    } catch (error) {
      await stopAll(started);
      throw error;
    }
  }

  processes(name: AppName): readonly AppProcess[] {
    return this.#processes.filter((each) => each.name === name);
  }

  /** Stops everything in the order of use: first whoever takes requests, the database last. Removes all data. */
  async stop(): Promise<void> {
    await stopAll(this.#started);
  }
}

async function assemble(
  options: DeploymentOptions,
  keep: <Server extends Started>(server: Server) => Server,
): Promise<DeploymentParts & { readonly processes: readonly AppProcess[] }> {
  const step = options.onStep ?? ((): void => {});
  const directory = mkdtempSync(join(tmpdir(), 'sluice-distributed-'));
  keep({ stop: () => removeTree(directory) });
  step('starting PostgreSQL');
  const postgres = keep(await startPostgres());
  const redis = options.redis ? keep(await startRedis()) : null;
  step(options.storage === 's3' ? 'starting an S3 server' : 'making a shared directory for blobs');
  const blobStore =
    options.storage === 's3' ? keep(await startVersityGw()).environment : sharedBlobs(directory);
  const port = options.port === 0 ? await freePort() : options.port;
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    SLUICE_DATABASE_URL: postgres.url,
    ...(redis === null ? {} : { SLUICE_REDIS_URL: redis.url }),
    ...blobStore,
    SLUICE_PUBLIC_URL: url,
    // The proxy is on this machine, and says whom it speaks for.
    SLUICE_TRUSTED_PROXIES: '127.0.0.1',
    SLUICE_TOKEN_KEY_FILE: tokenKey(directory),
    SLUICE_ADMIN_PASSWORD: options.adminPassword,
    ...options.environment,
  };
  step('starting the processes of Sluice');
  const processes = await plan(options.replicas, directory, environment);
  keep({ stop: () => stopTogether(processes) });
  await Promise.all(processes.map((each) => each.launch()));
  const urls = (name: AppName): string[] =>
    processes.filter((each) => each.name === name).map((each) => each.url);
  const proxy = await RoundRobinProxy.listen({ registries: urls('registry'), apis: urls('api') }, port);
  keep({ stop: () => proxy.close() });
  return { url, postgres, redis, environment, processes };
}

async function plan(
  replicas: Readonly<Record<AppName, number>>,
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<AppProcess[]> {
  const names = (['registry', 'api', 'scanner', 'signer'] as const).flatMap((name) =>
    Array.from({ length: replicas[name] }, () => name),
  );
  const processes: AppProcess[] = [];
  for (const name of names) {
    processes.push(new AppProcess(name, { port: await freePort(), directory, environment }));
  }
  return processes;
}

function sharedBlobs(directory: string): Record<string, string> {
  const blobs = join(directory, 'blobs');
  mkdirSync(blobs);
  return { SLUICE_BLOB_STORE: pathToFileURL(blobs).href };
}

/** The same key for all replicas, as `openssl genpkey` would write it. */
function tokenKey(directory: string): string {
  const file = join(directory, 'registry-tokens.pem');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  return file;
}

async function stopTogether(processes: readonly AppProcess[]): Promise<void> {
  const ends = await Promise.allSettled(processes.map((each) => each.stop()));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

/** One that does not end must not keep the others running. */
async function stopAll(started: readonly Started[]): Promise<void> {
  const failures: unknown[] = [];
  for (const server of started.toReversed()) {
    await server.stop().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
}
