/** Random, and fresh for every append: the beginning of the nonces of its segments. */
export const PREFIX_BYTES = 7;
const ENTRY_BYTES = 4 + PREFIX_BYTES;

/** Segments in a row that one append wrote. */
export interface Run {
  readonly firstSegment: number;
  readonly prefix: Buffer;
}

/** Which append wrote which segment: mostly one run for everything, and one of the last segment. */
export class Runs {
  readonly #runs: readonly Run[];

  constructor(runs: readonly Run[] = []) {
    this.#runs = runs;
  }

  /** The runs with another one behind them. */
  with(run: Run): Runs {
    return new Runs([...this.#runs, run]);
  }

  /** The prefix of the run that wrote a segment. Undefined before the first run. */
  prefixOf(segment: number): Buffer | undefined {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.firstSegment ?? 0) <= segment) low = middle + 1;
      else high = middle;
    }
    return this.#runs[low - 1]?.prefix;
  }

  encode(): Buffer {
    const bytes = Buffer.alloc(this.#runs.length * ENTRY_BYTES);
    for (const [index, { firstSegment, prefix }] of this.#runs.entries()) {
      bytes.writeUInt32BE(firstSegment, index * ENTRY_BYTES);
      prefix.copy(bytes, index * ENTRY_BYTES + 4);
    }
    return bytes;
  }

  /** @throws RangeError when the bytes are not what {@link encode} gives */
  static decode(bytes: Buffer): Runs {
    if (bytes.length % ENTRY_BYTES !== 0) throw new RangeError('malformed table of runs');
    const runs: Run[] = [];
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      runs.push({
        firstSegment: bytes.readUInt32BE(at),
        prefix: Buffer.from(bytes.subarray(at + 4, at + ENTRY_BYTES)),
      });
    }
    return new Runs(runs);
  }
}
