import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../../distributed/daemon.ts';
import { removeTree } from '../../distributed/remove-tree.ts';
import { freePort } from '../platform.ts';

const PROGRAM = '/usr/bin/redis-server';

/** A redis-server that can be killed, started again (empty) on the same port, and paused. */
export class RedisProcess {
  readonly port: number;
  readonly #directory: string;
  readonly #settings: readonly string[];
  #daemon: Daemon | null = null;

  private constructor(port: number, directory: string, settings: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#settings = settings;
  }

  /** @param settings further ones for the command line; `--port 0` is said by whoever uses `--tls-port` */
  static async start(settings: (port: number) => readonly string[] = plain): Promise<RedisProcess> {
    const port = await freePort();
    const server = new RedisProcess(port, mkdtempSync(join(tmpdir(), 'sluice-redis-')), settings(port));
    await server.launch();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async launch(): Promise<void> {
    const common = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#directory];
    const child = spawn(PROGRAM, [...common, ...this.#settings], { stdio: ['ignore', 'pipe', 'pipe'] });
    const daemon = new Daemon('redis-server', child);
    this.#daemon = daemon;
    await daemon.until(() => daemon.output.includes('Ready to accept connections'));
  }

  /** `kill -9`; nothing of its content is left. */
  async kill(): Promise<void> {
    await this.#daemon?.kill();
  }

  pause(): void {
    this.#daemon?.signal('SIGSTOP');
  }

  resume(): void {
    this.#daemon?.signal('SIGCONT');
  }

  async remove(): Promise<void> {
    this.resume();
    await this.#daemon?.stop();
    await removeTree(this.#directory);
  }
}

function plain(port: number): readonly string[] {
  return ['--port', String(port)];
}
