/** What is read, kept and sent at a time: it is still in the processor's own cache when it is encrypted. */
export const PIECE_BYTES = 256 * 1024;
/** Of all objects together. */
const BYTES_MAX = 96 * 1024 * 1024;
/** What nobody has asked for in so long is given back. */
const KEEP_MS = 60_000;

/** Pieces of one object that are in memory. */
export interface HotPieces {
  /** The whole piece with this number from 0, or null. Nobody may change it. */
  piece(number: number): Buffer | null;
  /** Whether one more piece may be kept. */
  hasRoom(): boolean;
  /** Keeps a whole piece. Its bytes must never change again. */
  keep(number: number, piece: Buffer): void;
}

/**
 * Objects that are sent again and again, in the memory of this process: copying them from the kernel's takes a sixth of
 * the time of sending them over TLS. When the room is taken, what is kept stays and nothing is added: were it the
 * oldest that makes room, objects larger than all of it would be read anew each time, and never be found.
 */
export class HotObjects {
  readonly #bytesMax: number;
  readonly #now: () => number;
  readonly #objects = new Map<string, KeptObject>();
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(bytesMax: number = BYTES_MAX, now: () => number = () => performance.now()) {
    this.#bytesMax = bytesMax;
    this.#now = now;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The pieces of an object, for one that sends it. */
  of(key: string): HotPieces {
    return {
      piece: (number) => {
        const object = this.#objects.get(key);
        const piece = object?.pieces.get(number);
        if (object === undefined || piece === undefined) return null;
        object.usedAt = this.#now();
        return piece;
      },
      hasRoom: () => this.#bytes + PIECE_BYTES <= this.#bytesMax,
      keep: (number, piece) => this.#keep(key, number, piece),
    };
  }

  /** Gives back what is kept of an object. */
  drop(key: string): void {
    this.#bytes -= (this.#objects.get(key)?.pieces.size ?? 0) * PIECE_BYTES;
    this.#objects.delete(key);
  }

  /** Gives back what nobody has asked for within the last minute. */
  expire(): void {
    const before = this.#now() - KEEP_MS;
    for (const [key, { usedAt }] of this.#objects) if (usedAt <= before) this.drop(key);
    if (this.#objects.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #keep(key: string, number: number, piece: Buffer): void {
    const object = this.#objects.get(key) ?? { pieces: new Map<number, Buffer>(), usedAt: 0 };
    object.usedAt = this.#now();
    this.#objects.set(key, object);
    // Another transfer of the same object may have kept it meanwhile.
    if (object.pieces.has(number)) return;
    object.pieces.set(number, piece);
    this.#bytes += PIECE_BYTES;
    this.#timer ??= setInterval(() => this.expire(), KEEP_MS / 4).unref();
  }
}

interface KeptObject {
  readonly pieces: Map<number, Buffer>;
  /** In milliseconds. */
  usedAt: number;
}
