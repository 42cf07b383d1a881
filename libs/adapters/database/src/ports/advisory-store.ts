import type { Advisory } from '@sluice/domain/vulnerability';

/** One record of a file, with the hash of its bytes, by which an unchanged record is recognised. */
export interface AdvisoryEntry {
  readonly advisory: Advisory;
  readonly contentHash: Buffer;
}

/** What a file of advisories is, as far as it is known when its last record was read. */
export interface ImportedFile {
  readonly name: string;
  readonly sha256: string;
  readonly records: number;
  /** How many records could not be read, and the first of the reasons. */
  readonly faulty: number;
  readonly faults: readonly string[];
  /** Records by ecosystem, without the release. */
  readonly ecosystems: Readonly<Record<string, number>>;
  /** The newest `modified` that is not in the future. */
  readonly newestModified: string | null;
}

/** One import, as it is kept for ever. */
export interface AdvisoryImport extends ImportedFile {
  /** Rises by one with every import. */
  readonly revision: number;
  readonly added: number;
  readonly changed: number;
  /** Those of `added` and `changed` that are withdrawn now. */
  readonly withdrawn: number;
  readonly unchanged: number;
  readonly importedAt: Date;
}

/** The advisories of one ecosystem. */
export interface AdvisorySource {
  /** Without the release, e.g. `Debian`. */
  readonly ecosystem: string;
  /** Those that are not withdrawn. */
  readonly records: number;
  /** When the newest of them was modified, as far as that is not in the future. */
  readonly newest: Date | null;
  /** When a file with records of it was imported last. */
  readonly importedAt: Date | null;
}

/** Which revision there is, and up to which every image was matched. Zero: nothing was ever imported. */
export interface AdvisoryStatus {
  readonly revision: number;
  readonly rematchedRevision: number;
}

/** Keeps advisories in the OSV format, by revision. */
export abstract class AdvisoryStore {
  /**
   * Imports a file in one transaction: all of it or nothing. Records with the hash that is stored already are left
   * alone; others replace what was stored under their id, for each ecosystem that they speak of: files of two
   * ecosystems may have records of one id. Records that the file does not have stay.
   *
   * `read` gets a function that takes the records in batches; what it throws ends the import without a trace. Imports
   * run one after the other. Writes `advisories.changed` when anything changed.
   */
  abstract import(
    read: (write: (entries: readonly AdvisoryEntry[]) => Promise<void>) => Promise<ImportedFile>,
  ): Promise<AdvisoryImport>;

  abstract status(): Promise<AdvisoryStatus>;

  /** Newest first. */
  abstract imports(limit: number): Promise<AdvisoryImport[]>;

  /** What there is, by ecosystem. */
  abstract sources(): Promise<AdvisorySource[]>;

  /**
   * Digests of images that have a package of which imports up to `revision` said something new since the images were
   * matched, or packages of an ecosystem that had no data before. In byte order, at most `limit`, behind `after`.
   */
  abstract touchedDigests(revision: number, after: string | null, limit: number): Promise<string[]>;

  /** Notes that every image was matched against `revision`. */
  abstract noteRematched(revision: number): Promise<void>;
}
