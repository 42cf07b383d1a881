/** Buffers that stay when they are not used, at most; and for how long after the last use. */
const KEPT_MAX = 16;
const KEPT_MS = 10_000;

/**
 * Buffers of one size that are used again and again: new ones of some megabytes would each be cleared by the kernel and
 * wait for the garbage collector, which multiplies the memory of eight fast uploads.
 */
export class PartBuffers {
  readonly #bytes: number;
  readonly #free: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** A buffer of that size or, when it is another than the usual, a new one. */
  take(bytes: number): Buffer {
    return (bytes === this.#bytes ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** Only for a buffer that nobody reads from any more. */
  give(buffer: Buffer): void {
    if (buffer.length !== this.#bytes || this.#free.length >= KEPT_MAX) return;
    this.#free.push(buffer);
    this.#timer ??= setTimeout(() => {
      this.#free.length = 0;
      this.#timer = undefined;
    }, KEPT_MS).unref();
    this.#timer.refresh();
  }
}

/** Lets so many bytes be under way at once over all uploads of a process; of bigger parts two. */
export class ByteBudget {
  readonly #max: number;
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = [];
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Resolves in the order of the calls. Every call needs its {@link release}. */
  async acquire(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return;
    }
    await new Promise<void>((begin) => this.#waiting.push({ bytes, begin }));
  }

  release(bytes: number): void {
    this.#used -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.begin();
    }
  }

  #fits(bytes: number): boolean {
    return this.#used <= bytes || this.#used + bytes <= this.#max;
  }
}
