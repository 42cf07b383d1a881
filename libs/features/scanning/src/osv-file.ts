import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import yauzl from 'yauzl';
import { AdvisoryError } from './errors.ts';

/** One record of a file, not yet parsed; `content` is why it cannot be read when that is an error. */
export interface OsvEntry {
  readonly name: string;
  readonly content: Buffer | Error;
}

/** A file of OSV records that was opened. */
export interface OsvFile {
  readonly name: string;
  readonly sha256: string;
  /** How many entries there are. */
  readonly total: number;
  entries(): AsyncIterable<OsvEntry>;
}

/** The longest record known has 1.5 MB. */
const RECORD_MAX_BYTES = 32 * 2 ** 20;
const ENTRIES_MAX = 4_000_000;

/**
 * Opens a file in one of the forms in which OSV distributes records: `all.zip` with one JSON file a record, or a
 * single record.
 *
 * @param name what people call the file, when it is not the name on the disk
 * @throws AdvisoryError ADVISORY_FILE_MISSING, ADVISORY_FILE_INVALID
 */
export async function openOsvFile(path: string, name: string = basename(path)): Promise<OsvFile> {
  const sha256 = await hashFile(path);
  const isZip = (await firstBytes(path)).equals(Buffer.from('PK'));
  return isZip ? openZip(path, name, sha256) : openRecord(path, name, sha256);
}

/**
 * The files of OSV records at a path: the file itself, or every `all.zip` of a directory in the layout of the
 * distribution (`<ecosystem>/all.zip`), else the records that lie in it.
 *
 * @throws AdvisoryError ADVISORY_FILE_MISSING
 */
export async function findOsvFiles(path: string): Promise<{ path: string; name: string }[]> {
  const isDirectory = await stat(path).then(
    (stats) => stats.isDirectory(),
    (error: unknown) => {
      throw missing(path, error);
    },
  );
  if (!isDirectory) return [{ path, name: basename(path) }];
  const names = (await readdir(path, { recursive: true })).toSorted();
  const archives = names.filter((name) => name.endsWith('.zip'));
  const chosen = archives.length > 0 ? archives : names.filter((name) => name.endsWith('.json'));
  if (chosen.length === 0) {
    throw new AdvisoryError('ADVISORY_FILE_MISSING', `${path} holds neither .zip nor .json files`);
  }
  return chosen.map((name) => ({ path: join(path, name), name }));
}

async function openZip(path: string, name: string, sha256: string): Promise<OsvFile> {
  // Opened once to see that it is whole, and again by whoever reads it, so that nothing stays open in between.
  const zip = await openArchive(path, name);
  const total = zip.entryCount;
  zip.close();
  if (total > ENTRIES_MAX) {
    throw new AdvisoryError(
      'ADVISORY_FILE_INVALID',
      `${name} has ${total} entries, at most ${ENTRIES_MAX} are read`,
    );
  }
  return { name, sha256, total, entries: () => zipEntries(path, name) };
}

async function openArchive(path: string, name: string): Promise<yauzl.ZipFile> {
  try {
    return await yauzl.openPromise(path, { lazyEntries: true, autoClose: false });
  } catch (error) {
    throw notAZip(name, error);
  }
}

async function* zipEntries(path: string, name: string): AsyncGenerator<OsvEntry, void, undefined> {
  const zip = await openArchive(path, name);
  try {
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith('.json')) continue;
      yield { name: entry.fileName, content: await readEntry(zip, entry) };
    }
  } catch (error) {
    throw notAZip(name, error);
  } finally {
    zip.close();
  }
}

/** A broken entry is a fault of that record; the others may be whole. */
async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Buffer | Error> {
  if (entry.uncompressedSize > RECORD_MAX_BYTES) {
    return new Error(
      `${entry.uncompressedSize} bytes are too many for a record, at most ${RECORD_MAX_BYTES} are read`,
    );
  }
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function openRecord(path: string, name: string, sha256: string): Promise<OsvFile> {
  const { size } = await stat(path);
  if (size > RECORD_MAX_BYTES || !name.endsWith('.json')) {
    throw new AdvisoryError(
      'ADVISORY_FILE_INVALID',
      `${name} is neither a ZIP archive of OSV records nor a single record (.json)`,
    );
  }
  return {
    name,
    sha256,
    total: 1,
    entries: async function* () {
      yield { name, content: await readFile(path) };
    },
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw missing(path, error);
  }
  return hash.digest('hex');
}

async function firstBytes(path: string): Promise<Buffer> {
  for await (const chunk of createReadStream(path, { end: 1 })) return chunk as Buffer;
  return Buffer.alloc(0);
}

function missing(path: string, cause: unknown): AdvisoryError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AdvisoryError('ADVISORY_FILE_MISSING', `${path} cannot be read: ${why}`, { cause });
}

function notAZip(name: string, cause: unknown): AdvisoryError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AdvisoryError('ADVISORY_FILE_INVALID', `${name} is not a whole ZIP archive: ${why}`, { cause });
}
