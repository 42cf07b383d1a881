import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../system/platform.ts';
import { run } from '../system/run.ts';
import { Daemon } from './daemon.ts';
import { removeTree } from './remove-tree.ts';

/** Debian keeps every major version in a directory of its own. */
const BIN = ['18', '17', '16', '15'].map((version) => `/usr/lib/postgresql/${version}/bin`);

export interface PostgresServer {
  /** `postgres://…` of a database that is there and empty. */
  readonly url: string;
  readonly daemon: Daemon;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

/** Starts a PostgreSQL of its own from Debian's packages, on a free port of 127.0.0.1. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = BIN.find((path) => existsSync(join(path, 'initdb')));
  if (bin === undefined) throw new Error('PostgreSQL is needed: install the Debian package postgresql-15');
  const owner = await unprivileged();
  const directory = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
  chmodSync(directory, 0o755);
  const [data, passwordFile] = [join(directory, 'data'), join(directory, 'password')];
  const password = randomBytes(16).toString('hex');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  for (const path of [data, passwordFile]) if (owner !== null) chownSync(path, owner.uid, owner.gid);
  const port = await freePort();
  await run(
    join(bin, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'sluice',
      `--pwfile=${passwordFile}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
    ],
    { cwd: directory, ...owner },
  );
  const child = spawn(
    join(bin, 'postgres'),
    // Every process of Sluice holds up to 45 connections.
    [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'max_connections=300',
    ],
    { cwd: directory, detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...owner },
  );
  const daemon = new Daemon('postgres', child, 'SIGINT');
  await daemon.until(() => daemon.output.includes('ready to accept connections'));
  return {
    // `initdb` makes a database called postgres.
    url: `postgres://sluice:${password}@127.0.0.1:${port}/postgres`,
    daemon,
    stop: async () => {
      await daemon.stop();
      await removeTree(directory);
    },
  };
}

/** PostgreSQL refuses to run as root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null;
  for (const user of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, user]).catch(() => null)));
    const [uid, gid] = ids.map((outcome) => Number(outcome?.stdout.trim()));
    if (uid !== undefined && gid !== undefined && uid > 0 && gid > 0) return { uid, gid };
  }
  throw new Error('there is neither a user postgres nor nobody to run PostgreSQL as');
}
