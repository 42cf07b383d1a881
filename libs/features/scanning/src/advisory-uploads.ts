import { type BlobStorage, BlobStorageError } from '@sluice/blob-storage';
import type { JobLedger } from '@sluice/database';
import type { AdvisoryImporter } from './advisory-importer.ts';
import type { WorkContext } from './context.ts';

/** Kind of the jobs that {@link AdvisoryUploads} queues. */
export const IMPORT_JOB = 'advisories.import';

/** Payload of such a job. */
export interface ImportRequest {
  readonly objectKey: string;
  readonly name: string;
}

/** Takes files of advisories from clients and imports them as jobs, on whatever replica. */
export class AdvisoryUploads {
  readonly #blobs: BlobStorage;
  readonly #jobs: JobLedger;
  readonly #importer: AdvisoryImporter;

  constructor(blobs: BlobStorage, jobs: JobLedger, importer: AdvisoryImporter) {
    this.#blobs = blobs;
    this.#jobs = jobs;
    this.#importer = importer;
  }

  /**
   * Keeps the bytes and queues their import.
   *
   * @param name what people call the file, e.g. `Debian/all.zip`
   * @returns the id of the job
   */
  async accept(stream: AsyncIterable<Uint8Array>, name: string): Promise<string> {
    const key = this.#blobs.newKey();
    const { offset, state, interruption } = await this.#blobs.append({ key, offset: 0, state: null }, stream);
    const upload = { key, offset, state };
    try {
      if (interruption !== undefined) throw interruption;
      await this.#blobs.finish(upload);
      const payload: ImportRequest = { objectKey: key, name };
      const [id] = await this.#jobs.enqueue([{ kind: IMPORT_JOB, key, payload, maxAttempts: 3 }]);
      if (id === undefined) throw new Error('the ledger returned no id');
      return id;
    } catch (error) {
      await this.#blobs.abort(upload);
      throw error;
    }
  }

  /**
   * Imports an accepted file and removes its bytes. A file that was imported by an earlier attempt is gone; the
   * import is then complete.
   *
   * @throws AdvisoryError when trying again cannot help; the bytes are removed
   */
  async run(request: ImportRequest, context: WorkContext): Promise<void> {
    const stream = await this.#blobs.read(request.objectKey).catch((error: unknown) => {
      if (error instanceof BlobStorageError && error.code === 'OBJECT_MISSING') return null;
      throw error;
    });
    if (stream === null) return;
    try {
      await this.#importer.importStream(stream, request.name, context);
    } finally {
      // It may have failed before it began to read, and what is open stays open then.
      stream.destroy();
    }
    await this.#blobs.delete(request.objectKey);
  }

  /** Removes the bytes of a file that cannot be imported. */
  async discard(request: ImportRequest): Promise<void> {
    await this.#blobs.delete(request.objectKey);
  }
}
