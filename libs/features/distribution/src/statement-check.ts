import { setImmediate } from 'node:timers/promises';
import type { BlobStorage } from '@sluice/blob-storage';
import type { RegistryReads } from '@sluice/database';
import {
  claimsToHoldStatements,
  type Descriptor,
  isStatementContent,
  type Manifest,
  type RepositoryName,
} from '@sluice/domain/oci';

/** Statements of one manifest that are read together; whoever brings more is judged as an image. */
const STATEMENTS_BYTES_MAX = 32 * 1024 * 1024;

/** A few milliseconds' work. */
const SLICE_BYTES = 64 * 1024;

/** Looks into layers that say they are signatures or attestations. */
export class StatementCheck {
  readonly #reads: RegistryReads;
  readonly #storage: BlobStorage;

  constructor(reads: RegistryReads, storage: BlobStorage) {
    this.#reads = reads;
    this.#storage = storage;
  }

  /** Whether a manifest claims to hold statements and does. What is not there yet proves nothing. */
  async prove(repository: RepositoryName, manifest: Manifest): Promise<boolean> {
    if (!claimsToHoldStatements(manifest)) return false;
    const total = manifest.layers.reduce((sum, { size }) => sum + size, 0);
    if (total > STATEMENTS_BYTES_MAX) return false;
    for (const layer of manifest.layers) if (!(await this.#isStatement(repository, layer))) return false;
    return true;
  }

  async #isStatement(repository: RepositoryName, { digest, size }: Descriptor): Promise<boolean> {
    const { blob } = await this.#reads.blob(repository, digest, null);
    // A manifest may lie about sizes; what it says is only compared when it is stored.
    if (blob === null || blob.sizeBytes !== size) return false;
    // Never whole in memory: whoever may push chooses what is in it.
    return isStatementContent(inSlices((await this.#storage.read(blob.objectKey)) as AsyncIterable<Buffer>));
  }
}

/** Looking at content takes the processor for itself, so everybody else gets a turn after every slice. */
async function* inSlices(content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  for await (const piece of content) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      yield piece.subarray(at, at + SLICE_BYTES);
      await setImmediate();
    }
  }
}
