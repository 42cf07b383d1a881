import { hash } from 'node:crypto';

/**
 * A set of paths, kept as sorted hashes of eight bytes: a layer of 90,000 entries is then 720 kB and not several
 * megabytes. It answers "was there an entry of this name"; the names cannot be read back.
 */
const WIDTH = 8;

export class PathSetBuilder {
  #hashes = new BigUint64Array(1024);
  #size = 0;

  add(path: string): void {
    if (this.#size === this.#hashes.length) {
      const grown = new BigUint64Array(this.#size * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#size] = hashPath(path);
    this.#size += 1;
  }

  /** Base64 of the sorted hashes, each in little-endian order. */
  build(): string {
    const sorted = this.#hashes.slice(0, this.#size).sort();
    const bytes = Buffer.alloc(this.#size * WIDTH);
    sorted.forEach((value, index) => bytes.writeBigUInt64LE(value, index * WIDTH));
    return bytes.toString('base64');
  }
}

export class PathSet {
  readonly #bytes: Buffer;

  /** @param encoded what {@link PathSetBuilder.build} made */
  constructor(encoded: string) {
    this.#bytes = Buffer.from(encoded, 'base64');
  }

  get size(): number {
    return Math.floor(this.#bytes.length / WIDTH);
  }

  has(path: string): boolean {
    const wanted = hashPath(path);
    let low = 0;
    let high = this.size - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const value = this.#bytes.readBigUInt64LE(middle * WIDTH);
      if (value === wanted) return true;
      if (value < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }
}

function hashPath(path: string): bigint {
  return hash('sha256', path, 'buffer').readBigUInt64LE(0);
}
