import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Certificate } from '../lib/certificate.ts';
import { ROOT } from '../system/paths.ts';
import { Daemon } from './daemon.ts';

export type AppName = 'registry' | 'api' | 'scanner' | 'signer';

export interface AppOptions {
  readonly port: number;
  /** Where it starts: a `sluice.yaml` there would be read. */
  readonly directory: string;
  /** Everything that begins with SLUICE_; of this process's own environment none of these is passed on. */
  readonly environment: Readonly<Record<string, string>>;
  /** With it the process speaks HTTPS. */
  readonly certificate?: Certificate;
}

/** One app as a process of its own; it can be started again after it was killed. */
export class AppProcess {
  readonly name: AppName;
  readonly url: string;
  readonly #options: AppOptions;
  #daemon: Daemon | null = null;
  #earlierOutput = '';

  constructor(name: AppName, options: AppOptions) {
    this.name = name;
    this.url = `${options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${options.port}`;
    this.#options = options;
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** What all its lives have logged. */
  get output(): string {
    return this.#earlierOutput + (this.#daemon?.output ?? '');
  }

  /** Starts it, on the same port each time, and waits until it is ready. */
  async launch(extra: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#earlierOutput = this.output.slice(-200_000);
    const child = spawn(
      join(ROOT, 'node_modules', '.bin', 'node'),
      [join(ROOT, 'apps', this.name, 'dist', 'main.js')],
      {
        cwd: this.#options.directory,
        env: {
          ...withoutSettings(process.env),
          SLUICE_PORT: new URL(this.url).port,
          ...tlsSettings(this.#options.certificate),
          ...this.#options.environment,
          ...extra,
        },
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const daemon = new Daemon(this.name, child);
    this.#daemon = daemon;
    await daemon.until(() => this.#isReady(daemon));
  }

  /** `kill -9`: as a crash or the end of its machine. */
  async kill(): Promise<void> {
    await this.#running.kill();
  }

  /** Resolves when it has ended, e.g. by a fault point; false when it still runs at the deadline. */
  async ended(timeoutMs: number): Promise<boolean> {
    return this.#running.ended(timeoutMs);
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop();
  }

  async #isReady(daemon: Daemon): Promise<boolean> {
    // This process does not trust the certificate, so it cannot ask.
    if (this.#options.certificate !== undefined) return daemon.output.includes('"process.ready"');
    return fetch(`${this.url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  get #running(): Daemon {
    if (this.#daemon === null) throw new Error(`${this.name} was never started`);
    return this.#daemon;
  }
}

function tlsSettings(certificate: Certificate | undefined): Record<string, string> {
  if (certificate === undefined) return {};
  return { SLUICE_TLS_CERT_FILE: certificate.certificateFile, SLUICE_TLS_KEY_FILE: certificate.keyFile };
}

function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SLUICE_')));
}
