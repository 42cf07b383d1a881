import { lendChunk } from '@sluice/blob-storage';

/** What one write to a disk, and one call of the hash, takes best. */
export const BODY_BUFFER_BYTES = 1024 * 1024;
/** Buffers that wait for the next upload: eight at once have three each, one being filled and two on their way. */
const WAITING_MAX = 24;
const waiting: Buffer[] = [];

/** Memory for a part of a body, which the storage gives back when it has written it. */
export class BodyBuffer {
  readonly #buffer = waiting.pop() ?? Buffer.allocUnsafeSlow(BODY_BUFFER_BYTES);
  #filled = 0;

  get isFull(): boolean {
    return this.#filled === BODY_BUFFER_BYTES;
  }

  /** Copies as much of the bytes as fits. Returns how many. */
  take(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, BODY_BUFFER_BYTES - this.#filled);
    this.#buffer.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), this.#filled);
    this.#filled += taken;
    return taken;
  }

  /** What was put in, lent to whoever reads it. */
  lend(): Uint8Array {
    const buffer = this.#buffer;
    const chunk = buffer.subarray(0, this.#filled);
    lendChunk(chunk, () => {
      if (waiting.length < WAITING_MAX) waiting.push(buffer);
    });
    return chunk;
  }
}

/**
 * Frees the memory of a buffer that nobody will look at again, at once. Every read of a socket allocates 64 KiB, and
 * collecting the garbage of a large upload takes a third of its CPU time.
 */
export function freeBuffer({ buffer, byteLength }: Buffer): void {
  // Small ones are parts of a block that others have parts of as well.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
