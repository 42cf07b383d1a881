import type { ObjectCipher } from './object-cipher.ts';
import { SEGMENT_BYTES } from './layout.ts';

/** A body may come byte by byte; so many pieces are put together before they cost more than the bytes. */
const PIECES_MAX = 64;

/**
 * Cuts a stream into segments and encrypts each as soon as it is known not to be the last: what is the last one is only
 * known when the upload is finished, so 1 to 65536 bytes are always held back.
 */
export class SegmentWriter {
  readonly #cipher: ObjectCipher;
  readonly #prefix: Uint8Array;
  #next: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(cipher: ObjectCipher, prefix: Uint8Array, firstSegment: number) {
    this.#cipher = cipher;
    this.#prefix = prefix;
    this.#next = firstSegment;
  }

  /** How many segments of the object are complete. */
  get segments(): number {
    return this.#next;
  }

  /**
   * Takes the chunk over, and gives what is to be stored.
   *
   * @throws BlobStorageError STORAGE_FAILED when the object becomes too large
   */
  *push(chunk: Uint8Array): Generator<Buffer> {
    if (chunk.length === 0) return;
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes > SEGMENT_BYTES) {
      const place = { prefix: this.#prefix, index: this.#next, isLast: false };
      yield* this.#cipher.sealSegment(place, this.#cut());
      this.#next += 1;
    }
    if (this.#pieces.length > PIECES_MAX) this.#pieces = [Buffer.concat(this.#pieces)];
  }

  /** What is held back. */
  tail(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** The first 65536 bytes of what is held back. */
  #cut(): Uint8Array[] {
    const segment: Uint8Array[] = [];
    let missing = SEGMENT_BYTES;
    let used = 0;
    for (const piece of this.#pieces) {
      if (missing === 0) break;
      if (piece.length > missing) {
        segment.push(piece.subarray(0, missing));
        this.#pieces[used] = piece.subarray(missing);
        missing = 0;
        break;
      }
      segment.push(piece);
      missing -= piece.length;
      used += 1;
    }
    this.#pieces.splice(0, used);
    this.#bytes -= SEGMENT_BYTES;
    return segment;
  }
}
