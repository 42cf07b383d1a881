/**
 * Real S3 servers for tests: versitygw (starts in a second) and Ceph's RADOS gateway (half a minute). Each listens on a
 * free port of 127.0.0.1, keeps its data in a directory of its own and is gone after `stop()`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adopt } from '../lib/adopt.ts';
import { createBucket } from '../lib/s3-request.ts';
import { startCephDaemons } from './ceph.ts';
import { installTools } from './install.ts';
import { freePort } from './platform.ts';

export interface S3Server {
  readonly name: string;
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The value of SLUICE_BLOB_STORE. */
  readonly url: string;
  /** Everything that Sluice has to be told. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

const ACCESS_KEY = 'sluice-test';
const SECRET_KEY = 'sluice-test-secret-key';
const BUCKET = 'sluice';

/** Starts versitygw (pinned in install.ts) on a directory; its metadata are kept beside the objects, not in xattrs. */
export async function startVersityGw(): Promise<S3Server> {
  const bin = await installTools(['versitygw']);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-versitygw-'));
  const [objects, sidecar] = [join(directory, 'objects'), join(directory, 'sidecar')];
  for (const made of [objects, sidecar]) mkdirSync(made);
  const port = await freePort();
  const child = spawnServer(
    join(bin, 'versitygw'),
    ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--sidecar', sidecar, objects],
    { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
  );
  return ready('versitygw', port, [child], directory);
}

/** Starts a Ceph cluster of one monitor and one OSD in memory with a gateway (Debian packages, see install.ts). */
export async function startCephRgw(): Promise<S3Server> {
  await installTools(['ceph-mon', 'ceph-osd', 'radosgw']);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-ceph-'));
  const port = await freePort();
  const children: ChildProcess[] = [];
  try {
    await startCephDaemons(
      { directory, port, accessKey: ACCESS_KEY, secretKey: SECRET_KEY },
      (program, args) => children.unshift(spawnServer(program, args)),
    );
  } catch (error) {
    await endAll(children, directory);
    throw error;
  }
  return ready('Ceph RGW', port, children, directory);
}

function spawnServer(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcess {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in a terminal is for whoever started it: what uses the server has to end first.
    detached: true,
  });
  adopt(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  child.once('exit', (code) => {
    if (code !== null && code !== 0) console.error(`${program} ended with code ${code}: ${said}`);
  });
  child.once('error', (error) => console.error(`${program} does not start: ${error.message}`));
  return child;
}

/** Waits until the server takes a bucket. The children end in their order. */
async function ready(
  name: string,
  port: number,
  children: readonly ChildProcess[],
  directory: string,
): Promise<S3Server> {
  const account = { endpoint: `http://127.0.0.1:${port}`, accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
  const stop = (): Promise<void> => endAll(children, directory);
  const deadline = Date.now() + 90_000;
  for (;;) {
    try {
      await createBucket(account, BUCKET);
      break;
    } catch (error) {
      if (Date.now() > deadline || children.some(hasEnded)) {
        await stop();
        throw new Error(`${name} does not start`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const url = `s3://${BUCKET}/blobs?endpoint=${account.endpoint}&region=us-east-1&pathStyle=true`;
  const environment = {
    SLUICE_BLOB_STORE: url,
    SLUICE_S3_ACCESS_KEY: ACCESS_KEY,
    SLUICE_S3_SECRET_KEY: SECRET_KEY,
  };
  return { name, ...account, bucket: BUCKET, url, environment, stop };
}

async function endAll(children: readonly ChildProcess[], directory: string): Promise<void> {
  for (const child of children) {
    if (hasEnded(child)) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(timer);
  }
  rmSync(directory, { recursive: true, force: true });
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
