import type { AppProcess } from '../distributed/app-process.ts';
import { Deployment } from '../distributed/deployment.ts';
import { ADMIN_PASSWORD, type ApiAnswer, type ApiCallOptions, callApi } from './platform.ts';

export interface ClusterOptions {
  /** Replicas of the registry. Default 2. */
  readonly registries?: number;
  /** Replicas of the API. Default 1. */
  readonly apis?: number;
  /** `s3` (default) starts an S3 server, `fs` is a directory that all processes share. */
  readonly storage?: 's3' | 'fs';
  /** Whether jobs are dispatched by Redis. Default true. */
  readonly redis?: boolean;
  /** Further settings of all processes, `SLUICE_…`. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Sluice as separate processes behind a round robin without stickiness, for system tests. */
export class Cluster {
  readonly #deployment: Deployment;

  private constructor(deployment: Deployment) {
    this.#deployment = deployment;
  }

  /** Starts everything on free ports and waits until it is ready. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    return new Cluster(
      await Deployment.start({
        replicas: { registry: options.registries ?? 2, api: options.apis ?? 1, scanner: 1, signer: 1 },
        storage: options.storage ?? 's3',
        redis: options.redis ?? true,
        port: 0,
        adminPassword: ADMIN_PASSWORD,
        ...(options.environment === undefined ? {} : { environment: options.environment }),
      }),
    );
  }

  /** Every request goes to the next replica. */
  get url(): string {
    return this.#deployment.url;
  }

  get host(): string {
    return new URL(this.url).host;
  }

  /** Each can be asked by its own `url`, killed (SIGKILL) and launched again. */
  get registries(): readonly AppProcess[] {
    return this.#deployment.processes('registry');
  }

  get apis(): readonly AppProcess[] {
    return this.#deployment.processes('api');
  }

  get scanner(): AppProcess {
    return only(this.#deployment.processes('scanner'));
  }

  get signer(): AppProcess {
    return only(this.#deployment.processes('signer'));
  }

  /** What every process was told, e.g. `SLUICE_DATABASE_URL`. */
  get environment(): Readonly<Record<string, string>> {
    return this.#deployment.environment;
  }

  get deployment(): Deployment {
    return this.#deployment;
  }

  /** Calls the API, as the first admin unless told otherwise. Throws when the status is not the expected one. */
  api<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    options: ApiCallOptions = {},
  ): Promise<ApiAnswer<T>> {
    return callApi<T>(this.url, method, path, body, options);
  }

  /** What all processes have logged, for a failed check. */
  get output(): string {
    const all = [...this.registries, ...this.apis, this.scanner, this.signer];
    return all.map((each) => `--- ${each.name} ${each.url}\n${each.output.slice(-4_000)}`).join('\n');
  }

  /** Stops everything and removes its data. */
  stop(): Promise<void> {
    return this.#deployment.stop();
  }

  /** As {@link stop}. */
  remove(): Promise<void> {
    return this.stop();
  }
}

function only(processes: readonly AppProcess[]): AppProcess {
  const [first] = processes;
  if (first === undefined) throw new Error('the cluster has no such process');
  return first;
}
