import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PostgresBinaries } from './binaries.ts';

/** How to run PostgreSQL, which refuses to be root. */
export interface RunAs {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** Program and arguments to put before the command, empty when none is needed. */
  readonly prefix: readonly string[];
}

/** `nobody` on every Linux this runs on. Only its number matters: no account has to exist. */
const NOBODY = 65_534;

/** Where root keeps programs that another user must reach, one directory a version. */
const SHARED_PROGRAMS = '/var/cache/sluice';

/**
 * The programs at a place where the database's user can run them. A clone under /root is closed to everybody else,
 * and PostgreSQL asks access(2) about its own files, which no capability helps with; so root keeps a copy elsewhere.
 */
export async function reachablePrograms(binaries: PostgresBinaries): Promise<PostgresBinaries> {
  if (process.getuid?.() !== 0 || worldTraversable(binaries.root)) return binaries;
  const root = join(SHARED_PROGRAMS, `postgres-${binaries.version}`);
  if (!existsSync(root)) {
    await mkdir(SHARED_PROGRAMS, { recursive: true, mode: 0o755 });
    const copy = await mkdtemp(join(SHARED_PROGRAMS, 'copy-'));
    await cp(binaries.root, join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
    // Whoever is second finds it there and throws its own copy away.
    await rename(join(copy, 'native'), root).catch(() => undefined);
    await rm(copy, { recursive: true, force: true });
  }
  return { ...binaries, root, postgres: join(root, 'bin', 'postgres'), initdb: join(root, 'bin', 'initdb') };
}

/**
 * Decides under which identity the database runs.
 *
 * An ordinary user runs it as itself. Root runs it as the owner of an existing data directory, else as `nobody`.
 * Where that user cannot reach the data (a clone under /root), `setpriv` lends it the one capability to do so.
 */
export function unprivilegedIdentity(dataDirectory: string): RunAs {
  if (process.getuid?.() !== 0) return { uid: undefined, gid: undefined, prefix: [] };
  const { uid, gid } = ownerOf(join(dataDirectory, 'PG_VERSION')) ?? { uid: NOBODY, gid: NOBODY };
  if (worldTraversable(dirname(dataDirectory))) return { uid, gid, prefix: [] };
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(isExecutable);
  if (setpriv === undefined) {
    throw new Error(
      `PostgreSQL does not run as root, and user ${uid} cannot reach ${dataDirectory}: start Sluice as an ordinary ` +
        'user, or set SLUICE_DATA_DIR to a directory whose parents every user may enter, or install util-linux (setpriv)',
    );
  }
  return {
    uid: undefined,
    gid: undefined,
    prefix: [
      setpriv,
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
      '--inh-caps=+dac_override',
      '--ambient-caps=+dac_override',
      '--',
    ],
  };
}

/** The user and group that must own the data directory. */
export function dataOwner(dataDirectory: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return ownerOf(join(dataDirectory, 'PG_VERSION')) ?? { uid: NOBODY, gid: NOBODY };
}

function ownerOf(path: string): { uid: number; gid: number } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined || stat.uid === 0 ? undefined : { uid: stat.uid, gid: stat.gid };
}

function worldTraversable(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    const stat = statSync(at, { throwIfNoEntry: false });
    if (stat !== undefined && (stat.mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
