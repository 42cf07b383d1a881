import { type BlobStorage, BlobStorageError } from '@sluice/blob-storage';
import type { SignatureStore } from '@sluice/database';
import type { Digest } from '@sluice/domain/oci';
import { SignatureRejected } from '@sluice/domain/signature';

/** The blobs that signatures consist of. */
export abstract class SignatureContents {
  /**
   * A blob of the repository, whole.
   *
   * @throws SignatureRejected content-missing, content-too-large
   */
  abstract readBlob(repositoryId: string, digest: Digest, maxBytes: number): Promise<Buffer>;
}

/** Reads from the blob storage what the repository links. */
export class StoredSignatureContents extends SignatureContents {
  readonly #signatures: SignatureStore;
  readonly #blobs: BlobStorage;

  constructor(signatures: SignatureStore, blobs: BlobStorage) {
    super();
    this.#signatures = signatures;
    this.#blobs = blobs;
  }

  async readBlob(repositoryId: string, digest: Digest, maxBytes: number): Promise<Buffer> {
    const location = await this.#signatures.findBlob(repositoryId, digest);
    if (location === null) throw missing(digest);
    if (location.size > maxBytes) {
      throw new SignatureRejected(
        'content-too-large',
        `the blob ${digest} has ${location.size} bytes, a signature has at most ${maxBytes}`,
      );
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of await this.#blobs.read(location.objectKey)) chunks.push(chunk as Buffer);
    } catch (error) {
      if (error instanceof BlobStorageError && error.code === 'OBJECT_MISSING') throw missing(digest);
      throw error;
    }
    return Buffer.concat(chunks);
  }
}

function missing(digest: Digest): SignatureRejected {
  return new SignatureRejected('content-missing', `the blob ${digest} is not in the repository`);
}
