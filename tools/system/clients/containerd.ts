import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt } from '../run.ts';

const START_SECONDS = 30;

/** A containerd of our own: own root, state and socket, nothing of Kubernetes, no mounts but bind mounts. */
export class Containerd {
  /** Short: the path of a socket has at most 107 characters. */
  readonly #directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.#directory = directory;
    this.#child = child;
  }

  get address(): string {
    return join(this.#directory, 'c.sock');
  }

  static async start(): Promise<Containerd> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-ctr-'));
    mkdirSync(join(directory, 'root'));
    writeFileSync(
      join(directory, 'config.toml'),
      `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${directory}/c.sock"
[plugins."io.containerd.metadata.v1.bolt"]
  # What one namespace has is unknown to the others: there a pull has to ask the registry.
  content_sharing_policy = "isolated"
`,
    );
    const child = spawn('containerd', ['--config', join(directory, 'config.toml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-20_000)));
    const containerd = new Containerd(directory, child);
    for (let waited = 0; ; waited += 250) {
      const { code } = await attempt('ctr', ['--address', containerd.address, 'version']);
      if (code === 0) return containerd;
      if (child.exitCode !== null || waited > START_SECONDS * 1_000) {
        throw new Error(`containerd does not start:\n${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
