import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { locatePostgres, type PostgresBinaries } from './binaries.ts';
import { dataOwner, reachablePrograms, type RunAs, unprivilegedIdentity } from './unprivileged.ts';

export interface EmbeddedPostgresOptions {
  /** Directory of this database alone; made when absent. Must be absolute. */
  readonly directory: string;
  /** `name=value` server settings, e.g. `fsync=off` for a throw-away test cluster. */
  readonly settings?: readonly string[];
  /** Told of every step that takes noticeable time. */
  readonly onProgress?: (message: string) => void;
}

/**
 * A PostgreSQL server of our own on 127.0.0.1, from the binaries of an npm package.
 *
 * For trying Sluice and for single nodes; production gives a URL. Crash-safe as PostgreSQL is: a server that outlived
 * its Sluice (kill -9) is stopped and started again at the next {@link start}, which replays the write-ahead log.
 */
export class EmbeddedPostgres {
  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
    private readonly password: string,
  ) {}

  /** Starts the server, creating the cluster at the first call. Resolves when it accepts connections. */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const binaries = await reachablePrograms(await locatePostgres());
    const cluster = join(options.directory, 'cluster');
    const runAs = unprivilegedIdentity(cluster);
    const password = await loadPassword(options.directory);
    if (!(await exists(join(cluster, 'PG_VERSION')))) {
      options.onProgress?.('creating the embedded database');
      await initialise(binaries, runAs, cluster, password);
    } else {
      await stopLeftover(cluster, options.onProgress);
    }
    const port = await freePort();
    const child = launch(binaries, runAs, cluster, port, options.settings ?? []);
    const server = new EmbeddedPostgres(child, port, password);
    await server.untilReady();
    return server;
  }

  /** Connection URL of a database on this server; it need not exist yet. */
  url(database: string): string {
    return `postgres://sluice:${this.password}@127.0.0.1:${this.port}/${database}`;
  }

  /** Creates the database unless it exists. */
  async ensureDatabase(name: string): Promise<void> {
    await withClient(this.url('postgres'), async (client) => {
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    });
  }

  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGINT');
    await ended;
  }

  private async untilReady(): Promise<void> {
    const deadline = Date.now() + 60_000;
    let log = '';
    this.child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4_000);
    });
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`the embedded database ended at its start:\n${log}`);
      try {
        await withClient(this.url('postgres'), async (client) => {
          await client.query('SELECT 1');
        });
        return;
      } catch (error) {
        if (Date.now() > deadline) {
          throw new Error(`the embedded database did not become ready in 60 s:\n${log}`, { cause: error });
        }
        await delay(50);
      }
    }
  }
}

async function initialise(
  binaries: PostgresBinaries,
  runAs: RunAs,
  cluster: string,
  password: string,
): Promise<void> {
  // A half-made cluster of an interrupted first start has no PG_VERSION or no control file: begin again.
  await rm(cluster, { recursive: true, force: true });
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  const owner = dataOwner(cluster);
  if (owner) await chown(cluster, owner.uid, owner.gid);
  const passwordFile = `${cluster}.password`;
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (owner) await chown(passwordFile, owner.uid, owner.gid);
  try {
    await run(binaries.initdb, runAs, [
      `--pgdata=${cluster}`,
      '--username=sluice',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function launch(
  binaries: PostgresBinaries,
  runAs: RunAs,
  cluster: string,
  port: number,
  settings: readonly string[],
) {
  const server = ['-D', cluster, '-p', String(port), '-h', '127.0.0.1', '-k', ''];
  for (const setting of ['max_connections=200', 'log_min_messages=warning', ...settings])
    server.push('-c', setting);
  const [command, args] = prefixed(runAs, binaries.postgres, server);
  return spawn(command, args, { ...identity(runAs), stdio: ['ignore', 'ignore', 'pipe'], detached: true });
}

/** A server that outlived its Sluice still holds the cluster; ask it to end, as `pg_ctl stop -m fast` does. */
async function stopLeftover(
  cluster: string,
  onProgress: ((message: string) => void) | undefined,
): Promise<void> {
  const pid = Number(
    (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0],
  );
  if (!Number.isInteger(pid) || pid <= 1 || !(await isPostgres(pid, cluster))) return;
  onProgress?.('stopping the embedded database that an earlier run left behind');
  process.kill(pid, 'SIGINT');
  for (let waited = 0; isAlive(pid); waited += 50) {
    if (waited > 30_000)
      throw new Error(`the embedded database of an earlier run (process ${pid}) does not stop`);
    await delay(50);
  }
}

/** A process id in a stale file may belong to somebody else by now. */
async function isPostgres(pid: number, cluster: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return commandLine === undefined
    ? process.platform !== 'linux' && isAlive(pid)
    : commandLine.includes(cluster);
}

async function loadPassword(directory: string): Promise<string> {
  const path = join(directory, 'password');
  const stored = await readFile(path, 'utf8').catch(() => undefined);
  if (stored) return stored.trim();
  const password = randomBytes(24).toString('base64url');
  await mkdir(directory, { recursive: true });
  await writeFile(path, password, { mode: 0o600 });
  return password;
}

async function run(command: string, runAs: RunAs, args: readonly string[]): Promise<void> {
  const [program, all] = prefixed(runAs, command, args);
  const child = spawn(program, all, { ...identity(runAs), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${command} ended with code ${code}:\n${output.slice(-4_000)}`);
}

function prefixed(runAs: RunAs, command: string, args: readonly string[]): [string, string[]] {
  const [first, ...rest] = [...runAs.prefix, command, ...args];
  return [first ?? command, rest];
}

function identity(runAs: RunAs): { uid?: number; gid?: number; env: NodeJS.ProcessEnv } {
  return {
    ...(runAs.uid === undefined ? {} : { uid: runAs.uid }),
    ...(runAs.gid === undefined ? {} : { gid: runAs.gid }),
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
  };
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function freePort(): Promise<number> {
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
