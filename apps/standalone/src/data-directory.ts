import { constants, existsSync, rmSync, statfsSync } from 'node:fs';
import { access, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StartError } from '@sluice/runtime';

/** Below this the embedded database could stop in the middle of its own recovery. */
const DISK_NEEDED_MB = 300;

/**
 * The directory of one running Sluice:
 *
 *     <data>/lock          process id of the Sluice that uses it
 *     <data>/postgres/     embedded database (cluster/, password)
 *     <data>/blobs/        blob bytes
 *     <data>/keys/         private keys, 0600
 */
export class DataDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  get postgres(): string {
    return join(this.path, 'postgres');
  }

  get blobs(): string {
    return join(this.path, 'blobs');
  }

  get keys(): string {
    return join(this.path, 'keys');
  }

  /**
   * Makes the directory and takes its lock.
   *
   * @throws StartError when it cannot be written, another live Sluice uses it, or the disk is almost full.
   */
  static async claim(path: string): Promise<DataDirectory> {
    try {
      await mkdir(path, { recursive: true });
      await access(path, constants.W_OK | constants.X_OK);
    } catch (cause) {
      throw new StartError(
        `the data directory ${path} is not writable (${(cause as Error).message}): choose another with SLUICE_DATA_DIR`,
        undefined,
        { cause },
      );
    }
    const { bavail, bsize } = statfsSync(path);
    const freeMb = Math.floor((bavail * bsize) / 1_048_576);
    if (freeMb < DISK_NEEDED_MB) {
      throw new StartError(
        `${path} has only ${freeMb} MB free; Sluice needs at least ${DISK_NEEDED_MB} MB to start`,
      );
    }
    const directory = new DataDirectory(path);
    await directory.lock();
    await mkdir(directory.keys, { recursive: true, mode: 0o700 });
    return directory;
  }

  /** Gives the lock back. */
  release(): void {
    rmSync(join(this.path, 'lock'), { force: true });
  }

  private async lock(): Promise<void> {
    const file = join(this.path, 'lock');
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const handle = await open(file, 'wx');
        await handle.writeFile(`${process.pid}\n`);
        await handle.close();
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = Number(await readFile(file, 'utf8').catch(() => ''));
      if (await isSluice(holder)) {
        throw new StartError(
          `another Sluice (process ${holder}) uses ${this.path}: stop it first, or set SLUICE_DATA_DIR to another directory`,
        );
      }
      // The holder was killed: its lock means nothing any more.
      await rm(file, { force: true });
    }
    throw new StartError(`cannot take the lock ${file}: another Sluice is starting in the same directory`);
  }
}

/** The number in a stale lock may belong to another program by now, or to this very process in a container. */
async function isSluice(pid: number): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (!existsSync('/proc/self')) return true;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes('standalone');
}
