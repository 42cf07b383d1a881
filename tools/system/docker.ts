import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, type Outcome, run, type RunOptions } from './run.ts';

/** A Docker daemon of our own: own socket, own data, no bridge, no firewall rules. It pushes and pulls; it runs nothing. */
export class DockerDaemon {
  private readonly directory: string;
  private readonly child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.child = child;
  }

  static async start(): Promise<DockerDaemon> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-docker-'));
    const child = spawn(
      '/usr/sbin/dockerd',
      [
        `--data-root=${directory}/data`,
        `--exec-root=${directory}/exec`,
        `--pidfile=${directory}/pid`,
        `--host=unix://${directory}/docker.sock`,
        '--iptables=false',
        '--ip6tables=false',
        '--bridge=none',
        '--storage-driver=vfs',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-20_000)));
    const daemon = new DockerDaemon(directory, child);
    for (let waited = 0; ; waited += 250) {
      if ((await daemon.attempt(['version'])).code === 0) return daemon;
      if (child.exitCode !== null || waited > 60_000) throw new Error(`dockerd does not start:\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  /** Options of `docker` that lead to this daemon, with credentials of its own. */
  get global(): readonly string[] {
    return ['--config', `${this.directory}/config`, '--host', `unix://${this.directory}/docker.sock`];
  }

  attempt(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return attempt('docker', [...this.global, ...args], options);
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run('docker', [...this.global, ...args], options);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
