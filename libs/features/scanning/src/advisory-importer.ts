import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { AdvisoryEntry, AdvisoryImport, AdvisoryStore, ImportedFile } from '@sluice/database';
import { type Advisory, baseEcosystem, OsvError, parseOsvRecord } from '@sluice/domain/vulnerability';
import { type Checkpoint, NO_CHECKPOINT, type WorkContext } from './context.ts';
import { AdvisoryError } from './errors.ts';
import { findOsvFiles, openOsvFile, type OsvEntry, type OsvFile } from './osv-file.ts';

/** Records that are written in one statement: large enough to be quick, small enough to stay flat in memory. */
const BATCH_RECORDS = 500;
const FAULTS_KEPT = 50;

/** Imports files of OSV records into the advisory store. */
export class AdvisoryImporter {
  readonly #advisories: AdvisoryStore;
  readonly #now: () => Date;
  readonly #checkpoint: Checkpoint;

  constructor(
    advisories: AdvisoryStore,
    now: () => Date = () => new Date(),
    checkpoint: Checkpoint = NO_CHECKPOINT,
  ) {
    this.#advisories = advisories;
    this.#now = now;
    this.#checkpoint = checkpoint;
  }

  /**
   * Imports a file, or every file of a directory in the layout of the OSV distribution, one transaction each.
   *
   * Records that cannot be read are counted and named, and the others imported. A file that is broken as a whole
   * changes nothing.
   *
   * @throws AdvisoryError; files of a directory that came before are imported
   */
  async import(path: string, context: WorkContext): Promise<AdvisoryImport[]> {
    const imports: AdvisoryImport[] = [];
    for (const file of await findOsvFiles(path))
      imports.push(await this.importFile(file.path, context, file.name));
    return imports;
  }

  /** @param name what people call the file, when it is not the name on the disk */
  async importFile(path: string, context: WorkContext, name?: string): Promise<AdvisoryImport> {
    const file = await openOsvFile(path, name);
    return this.#advisories.import(async (write) => {
      const result = await new FileImport(file, this.#now(), context).run(write);
      await this.#checkpoint('advisories.before-commit');
      return result;
    });
  }

  /** Imports what comes as a stream; it passes through a temporary file, because ZIP begins at its end. */
  async importStream(
    stream: AsyncIterable<Uint8Array>,
    name: string,
    context: WorkContext,
  ): Promise<AdvisoryImport> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-advisories-'));
    try {
      const path = join(directory, 'file');
      await pipeline(stream, createWriteStream(path), { signal: context.signal });
      return await this.importFile(path, context, name);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Reads one file in batches and counts what it holds. */
class FileImport {
  readonly #file: OsvFile;
  readonly #now: Date;
  readonly #context: WorkContext;
  readonly #faults: string[] = [];
  readonly #ecosystems = new Map<string, number>();
  #faulty = 0;
  #records = 0;
  #newest: string | null = null;

  constructor(file: OsvFile, now: Date, context: WorkContext) {
    this.#file = file;
    this.#now = now;
    this.#context = context;
  }

  async run(write: (entries: readonly AdvisoryEntry[]) => Promise<void>): Promise<ImportedFile> {
    let batch: AdvisoryEntry[] = [];
    for await (const entry of this.#file.entries()) {
      this.#context.signal.throwIfAborted();
      const parsed = this.#parse(entry);
      if (parsed !== null) batch.push(parsed);
      if (batch.length === BATCH_RECORDS) {
        await write(batch);
        batch = [];
        this.#context.progress(this.#records + this.#faulty, this.#file.total, 'records');
      }
    }
    await write(batch);
    this.#context.progress(this.#records + this.#faulty, this.#file.total, 'records');
    this.#refuseEmpty();
    return {
      name: this.#file.name,
      sha256: this.#file.sha256,
      records: this.#records,
      faulty: this.#faulty,
      faults: this.#faults,
      ecosystems: Object.fromEntries(this.#ecosystems),
      newestModified: this.#newest,
    };
  }

  #parse(entry: OsvEntry): AdvisoryEntry | null {
    try {
      if (entry.content instanceof Error) throw new OsvError(`${entry.name}: ${entry.content.message}`);
      const advisory = parseOsvRecord(parseJson(entry.content, entry.name), entry.name);
      this.#count(advisory);
      return { advisory, contentHash: createHash('sha256').update(entry.content).digest() };
    } catch (error) {
      if (!(error instanceof OsvError)) throw error;
      this.#faulty += 1;
      if (this.#faults.length < FAULTS_KEPT) this.#faults.push(error.message);
      return null;
    }
  }

  #count(advisory: Advisory): void {
    this.#records += 1;
    for (const ecosystem of new Set(advisory.affected.map((row) => baseEcosystem(row.ecosystem)))) {
      this.#ecosystems.set(ecosystem, (this.#ecosystems.get(ecosystem) ?? 0) + 1);
    }
    // Sources have records that were modified in the future; they say nothing about how fresh the file is.
    const isPast = advisory.modified <= this.#now.toISOString();
    if (isPast && (this.#newest === null || advisory.modified > this.#newest))
      this.#newest = advisory.modified;
  }

  #refuseEmpty(): void {
    if (this.#records > 0) return;
    const why = this.#faults[0] === undefined ? 'it has no .json entries' : `e.g. ${this.#faults[0]}`;
    throw new AdvisoryError(
      'ADVISORY_FILE_EMPTY',
      `${this.#file.name} has no OSV record that can be read: ${why}`,
    );
  }
}

function parseJson(content: Buffer, name: string): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw new OsvError(`${name}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
