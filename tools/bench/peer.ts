import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../system/platform.ts';
import { BIN } from '../system/paths.ts';

/** CNCF `distribution` on its filesystem driver with the in-memory descriptor cache, without authentication. */
export class DistributionPeer {
  readonly url: string;
  private readonly child: ChildProcess;
  private readonly directory: string;

  private constructor(url: string, child: ChildProcess, directory: string) {
    this.url = url;
    this.child = child;
    this.directory = directory;
  }

  static async start(): Promise<DistributionPeer> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-peer-'));
    const port = await freePort();
    const config = join(directory, 'config.yml');
    writeFileSync(
      config,
      [
        'version: 0.1',
        'log: {level: error, accesslog: {disabled: true}}',
        `storage: {filesystem: {rootdirectory: ${directory}/data}, cache: {blobdescriptor: inmemory}}`,
        `http: {addr: "127.0.0.1:${port}"}`,
        '',
      ].join('\n'),
    );
    const child = spawn(join(BIN, 'registry'), ['serve', config], { stdio: 'ignore' });
    const peer = new DistributionPeer(`http://127.0.0.1:${port}`, child, directory);
    for (let waited = 0; ; waited += 100) {
      const up = await fetch(`${peer.url}/v2/`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (up) return peer;
      if (waited > 20_000) throw new Error('distribution does not start');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
