import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32, inflateRawSync } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
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
const ZIP_OPTIONS = { lazyEntries: true, autoClose: false };

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
  const total = await withArchive(path, name, (zip) => Promise.resolve(zip.entryCount));
  if (total > ENTRIES_MAX) {
    throw new AdvisoryError(
      'ADVISORY_FILE_INVALID',
      `${name} has ${total} entries, at most ${ENTRIES_MAX} are read`,
    );
  }
  return { name, sha256, total, entries: () => zipEntries(path, name) };
}

async function withArchive<T>(path: string, name: string, use: (zip: ZipFile) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    const zip = await yauzl.fromFdPromise(file.fd, ZIP_OPTIONS);
    return await use(zip);
  } catch (error) {
    throw notAZip(name, error);
  } finally {
    await file.close();
  }
}

async function* zipEntries(path: string, name: string): AsyncGenerator<OsvEntry, void, undefined> {
  const file = await open(path);
  try {
    const zip = await yauzl.fromFdPromise(file.fd, ZIP_OPTIONS);
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith('.json')) continue;
      yield { name: entry.fileName, content: await readEntry(file, zip, entry) };
    }
  } catch (error) {
    throw notAZip(name, error);
  } finally {
    await file.close();
  }
}

/**
 * Reads one entry whole: records are small, and a stream for each would take most of the time of an import. A broken
 * entry is a fault of that record; the others may be whole.
 */
async function readEntry(file: FileHandle, zip: ZipFile, entry: Entry): Promise<Buffer | Error> {
  try {
    if (Math.max(entry.uncompressedSize, entry.compressedSize) > RECORD_MAX_BYTES) {
      throw new Error(
        `${entry.uncompressedSize} bytes are too many for a record, at most ${RECORD_MAX_BYTES} are read`,
      );
    }
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const raw = Buffer.alloc(entry.compressedSize);
    const { bytesRead } = await file.read(raw, 0, raw.length, fileDataStart);
    if (bytesRead < raw.length) throw new Error('the archive ends inside of the entry');
    const content = decode(raw, entry);
    if (crc32(content) !== entry.crc32)
      throw new Error('the content does not have the checksum of the entry');
    return content;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** APPNOTE.TXT 4.4.5: stored (0) and deflated (8) are what every program writes. */
function decode(raw: Buffer, entry: Entry): Buffer {
  if (entry.isEncrypted()) throw new Error('the entry is encrypted');
  if (entry.compressionMethod === 0) return raw;
  if (entry.compressionMethod === 8) return inflateRawSync(raw, { maxOutputLength: RECORD_MAX_BYTES });
  throw new Error(`compression method ${entry.compressionMethod} is neither stored nor deflated`);
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
