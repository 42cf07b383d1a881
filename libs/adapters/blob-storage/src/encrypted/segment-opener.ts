import { BlobStorageError } from '../errors.ts';
import { checkHeader, HEADER_BYTES, segmentBytes, type Slice, TAG_BYTES } from './layout.ts';
import type { ObjectCipher, OpeningSegment } from './object-cipher.ts';
import type { ObjectLayout } from './object-layout.ts';

/**
 * Decrypts the stored bytes of a slice as they come, in chunks of any length. A segment is only handed over when it has
 * proved to be what was stored. Keeps no chunk beyond the call that brought it.
 */
export class SegmentOpener {
  readonly #cipher: ObjectCipher;
  readonly #layout: ObjectLayout;
  readonly #lastSegment: number;
  /** Null when the bytes do not begin with the header, or it has been seen. */
  #header: Gathered | null;
  #index: number;
  #segment: OpeningSegment | null = null;
  #missing = 0;
  #opened: Buffer[] = [];
  readonly #tag = new Gathered(TAG_BYTES);
  #skip: number;
  #length: number;

  /** @param fromStart the bytes are those of the whole object, and nothing may come behind them */
  constructor(cipher: ObjectCipher, layout: ObjectLayout, slice: Slice, fromStart: boolean) {
    this.#cipher = cipher;
    this.#layout = layout;
    this.#header = fromStart ? new Gathered(HEADER_BYTES) : null;
    this.#index = slice.firstSegment;
    this.#lastSegment = slice.lastSegment;
    this.#skip = slice.skip;
    this.#length = slice.length;
  }

  /** Takes what is stored next. Gives what can be handed over now. @throws BlobStorageError OBJECT_TAMPERED */
  push(chunk: Uint8Array): Buffer[] {
    const ready: Buffer[] = [];
    let rest = chunk;
    if (this.#header !== null) rest = this.#takeHeader(this.#header, rest);
    while (rest.length > 0) {
      if (this.#index > this.#lastSegment) throw tampered('the object is longer than what was stored');
      rest = this.#take(rest, ready);
    }
    return ready;
  }

  /** Says that nothing comes any more. @throws BlobStorageError OBJECT_TAMPERED when something is missing */
  end(): void {
    if (this.#header === null && this.#index > this.#lastSegment) return;
    throw tampered('the object is shorter than what was stored');
  }

  #takeHeader(header: Gathered, chunk: Uint8Array): Uint8Array {
    const rest = header.take(chunk);
    if (header.isFull) {
      checkHeader(header.bytes);
      if (!header.bytes.equals(this.#cipher.header)) {
        throw tampered('the header of the object is not the one that was stored');
      }
      this.#header = null;
    }
    return rest;
  }

  /** One step: more of the segment, or its tag. Returns what is left of the chunk. */
  #take(chunk: Uint8Array, ready: Buffer[]): Uint8Array {
    const segment = this.#segment ?? this.#begin();
    if (this.#missing > 0) {
      const piece = chunk.subarray(0, this.#missing);
      this.#missing -= piece.length;
      this.#opened.push(segment.update(piece));
      return chunk.subarray(piece.length);
    }
    const rest = this.#tag.take(chunk);
    if (this.#tag.isFull) {
      segment.final(this.#tag.bytes);
      this.#handOver(ready);
    }
    return rest;
  }

  #begin(): OpeningSegment {
    this.#missing = segmentBytes(this.#layout.sizeBytes, this.#index);
    this.#segment = this.#cipher.openSegment(this.#layout.place(this.#index));
    return this.#segment;
  }

  #handOver(ready: Buffer[]): void {
    for (const opened of this.#opened) {
      const wanted = opened.subarray(this.#skip, this.#skip + this.#length);
      this.#skip -= Math.min(this.#skip, opened.length);
      this.#length -= wanted.length;
      if (wanted.length > 0) ready.push(wanted);
    }
    this.#opened = [];
    this.#tag.clear();
    this.#segment = null;
    this.#index += 1;
  }
}

/** A few bytes that may come in pieces. */
class Gathered {
  readonly bytes: Buffer;
  #filled = 0;

  constructor(length: number) {
    this.bytes = Buffer.alloc(length);
  }

  get isFull(): boolean {
    return this.#filled === this.bytes.length;
  }

  /** Returns what is left of the chunk. */
  take(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.bytes.length - this.#filled);
    this.bytes.set(piece, this.#filled);
    this.#filled += piece.length;
    return chunk.subarray(piece.length);
  }

  clear(): void {
    this.#filled = 0;
  }
}

function tampered(message: string): BlobStorageError {
  return new BlobStorageError('OBJECT_TAMPERED', message);
}
