import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A `distribution` of its own on a free port of this machine; it has no referrers API. */
export interface ScratchRegistry {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  stop(): Promise<void>;
}

const START_SECONDS = 20;

/** Starts the program `registry`, without authentication, on an empty directory that goes with it. */
export async function startScratchRegistry(program: string): Promise<ScratchRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-registry-'));
  const config = join(directory, 'config.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'info', formatter: 'json' },
      storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0' },
    }),
  );
  const child = spawn(program, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      kill();
      await ended;
    }
    process.removeListener('exit', kill);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return { host: await readAddress(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port is chosen by the system, and only the log names it. */
function readAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`registry did not start within ${START_SECONDS} s`)),
      START_SECONDS * 1_000,
    );
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`registry ended with code ${code}`)));
    if (child.stderr === null) return reject(new Error('registry has no log'));
    createInterface({ input: child.stderr }).on('line', (line) => {
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}
