import type { Bucket } from './bucket.ts';
import type { ByteBudget, PartBuffers } from './part-buffers.ts';
import { partBytes, PARTS_MAX, shortPartBytes } from './part-sizes.ts';
import { type Part, type UploadState } from './upload-state.ts';
import { BlobStorageError } from '../errors.ts';

/** Parts of one upload that are on their way to the store while the next is being filled. */
const IN_FLIGHT_MAX = 2;

/** What all uploads of a process share. */
export interface PartResources {
  readonly bucket: Bucket;
  readonly buffers: PartBuffers;
  readonly budget: ByteBudget;
  readonly firstPartBytes: number;
}

/** Cuts what is written into parts and sends them. After a failure nothing but {@link abandon} may be called. */
export class PartWriter {
  readonly #shared: PartResources;
  readonly #key: string;
  readonly #begunBefore: boolean;
  readonly #parts: Part[];
  readonly #inFlight = new Set<Promise<void>>();
  #uploadId: string | null;
  #number: number;
  #buffer: Buffer | null = null;
  #filled = 0;
  #failure: { readonly error: unknown } | null = null;

  /** @param state continued with part `state.parts.length + 1`; its tail must be written first */
  constructor(shared: PartResources, key: string, state: UploadState) {
    this.#shared = shared;
    this.#key = key;
    this.#uploadId = state.uploadId;
    this.#begunBefore = state.uploadId !== null;
    this.#parts = [...state.parts];
    this.#number = this.#parts.length + 1;
  }

  /** Copies the bytes; waits when too many are under way. @throws BlobStorageError */
  async write(bytes: Uint8Array): Promise<void> {
    for (let taken = 0; taken < bytes.length;) {
      this.#assertSound();
      this.#buffer ??= this.#shared.buffers.take(partBytes(this.#number, this.#shared.firstPartBytes));
      const room = Math.min(this.#buffer.length - this.#filled, bytes.length - taken);
      this.#buffer.set(bytes.subarray(taken, taken + room), this.#filled);
      this.#filled += room;
      taken += room;
      if (this.#filled === this.#buffer.length) await this.#send();
    }
  }

  /**
   * Waits until everything is stored, but for a rest that is too short to be a part: that is given to `keep`, which
   * must store it before it resolves. The last part of an upload may have any length.
   *
   * @throws BlobStorageError
   */
  async end<Kept>(
    isLast: boolean,
    keep: (rest: Buffer) => Promise<Kept>,
  ): Promise<{
    readonly uploadId: string | null;
    readonly parts: readonly Part[];
    readonly kept: Kept | null;
  }> {
    let kept: Kept | null = null;
    if (this.#buffer !== null) {
      const minimum = shortPartBytes(this.#number, this.#shared.firstPartBytes);
      if (this.#filled >= minimum || (isLast && this.#uploadId !== null)) {
        await this.#send();
      } else {
        kept = await keep(this.#buffer.subarray(0, this.#filled));
        this.#shared.buffers.give(this.#buffer);
        this.#buffer = null;
      }
    }
    await Promise.all(this.#inFlight);
    this.#assertSound();
    return { uploadId: this.#uploadId, parts: this.#parts, kept };
  }

  /** Gives up after a failure: what this writer has begun in the store is removed as well as may be. */
  async abandon(): Promise<void> {
    await Promise.all(this.#inFlight);
    if (this.#uploadId === null || this.#begunBefore) return;
    await this.#shared.bucket.abortUpload(this.#key, this.#uploadId).catch(() => undefined);
  }

  async #send(): Promise<void> {
    const { bucket, budget } = this.#shared;
    const [buffer, bytes, number] = [this.#buffer, this.#filled, this.#number];
    if (buffer === null) return;
    if (number > PARTS_MAX) {
      throw new BlobStorageError('STORAGE_FAILED', `the upload has more than ${PARTS_MAX} parts`);
    }
    this.#buffer = null;
    this.#filled = 0;
    this.#number += 1;
    const uploadId = (this.#uploadId ??= await bucket.createUpload(this.#key));
    while (this.#inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.#inFlight);
    await budget.acquire(bytes);
    const sending: Promise<void> = this.#sendPart(uploadId, number, buffer.subarray(0, bytes))
      .then(() => this.#shared.buffers.give(buffer))
      .catch((error: unknown) => {
        // A try that failed may still read from the buffer, so it is left to the garbage collector.
        this.#failure ??= { error };
      })
      .finally(() => {
        budget.release(bytes);
        this.#inFlight.delete(sending);
      });
    this.#inFlight.add(sending);
  }

  async #sendPart(uploadId: string, number: number, body: Buffer): Promise<void> {
    this.#parts[number - 1] = await this.#shared.bucket.uploadPart(this.#key, uploadId, number, body);
  }

  #assertSound(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
