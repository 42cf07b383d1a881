import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './paths.ts';

export const ADMIN_PASSWORD = 'system-test-password';

export interface ApiAnswer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface ApiCallOptions {
  readonly expect?: number;
  readonly authorization?: string;
  readonly headers?: Record<string, string>;
}

/** One running Sluice with a data directory of its own, for system tests. */
export class Platform {
  readonly port: number;
  readonly directory: string;
  private readonly environment: Record<string, string>;
  private child: ChildProcess | undefined;
  private log = '';

  private constructor(port: number, directory: string, environment: Record<string, string>) {
    this.port = port;
    this.directory = directory;
    this.environment = environment;
  }

  /** Starts a platform on a free port and waits until it is ready. */
  static async start(environment: Record<string, string> = {}): Promise<Platform> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-system-'));
    const platform = new Platform(await freePort(), directory, environment);
    await platform.launch();
    return platform;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** What the process has logged so far. */
  get output(): string {
    return this.log;
  }

  /** Starts the process again on the same data and port, e.g. after {@link kill}. */
  async launch(extra: Record<string, string> = {}): Promise<void> {
    const node = join(ROOT, 'node_modules', '.bin', 'node');
    const child = spawn(node, [join(ROOT, 'apps', 'standalone', 'dist', 'main.js')], {
      cwd: this.directory,
      env: {
        ...process.env,
        SLUICE_PORT: String(this.port),
        SLUICE_DATA_DIR: join(this.directory, 'data'),
        SLUICE_ADMIN_PASSWORD: ADMIN_PASSWORD,
        ...this.environment,
        ...extra,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.log = (this.log + chunk.toString()).slice(-200_000)));
    }
    await this.untilReady(child);
  }

  /** Resolves when the process has ended, e.g. by a fault point; false when it still runs at the deadline. */
  async ended(timeoutMs: number): Promise<boolean> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** `kill -9` of the process. The embedded database lives on, as it does after a real crash. */
  async kill(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.ended(10_000);
  }

  async stop(): Promise<void> {
    this.child?.kill('SIGTERM');
    if (!(await this.ended(40_000)))
      throw new Error(`the platform does not stop:\n${this.log.slice(-4_000)}`);
  }

  /** Stops the platform and removes its data. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
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

  private async untilReady(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + 90_000;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the platform ended at its start:\n${this.log.slice(-4_000)}`);
      }
      const ready = await fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (ready) return;
      if (Date.now() > deadline)
        throw new Error(`the platform is not ready after 90 s:\n${this.log.slice(-4_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Calls the API of the Sluice at that URL, as {@link Platform.api} does. */
export async function callApi<T>(
  url: string,
  method: string,
  path: string,
  body: unknown,
  options: ApiCallOptions,
): Promise<ApiAnswer<T>> {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: options.authorization ?? basic('admin', ADMIN_PASSWORD),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const parsed: unknown = /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
  const wanted = options.expect ?? (answer.ok ? answer.status : 200);
  if (answer.status !== wanted)
    throw new Error(`${method} ${path}: ${answer.status} instead of ${wanted}: ${text}`);
  return { status: answer.status, headers: answer.headers, body: parsed as T };
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
