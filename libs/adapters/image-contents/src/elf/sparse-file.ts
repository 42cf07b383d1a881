/** A run of bytes of a file: [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Thrown by readers of a {@link SparseFile} for bytes that were not kept; the file must be streamed once more. */
export class MissingBytes extends Error {
  readonly ranges: readonly ByteRange[];

  constructor(ranges: readonly ByteRange[]) {
    super(`${ranges.length} ranges of bytes were not kept`);
    this.ranges = ranges;
  }
}

/** The pieces that were kept of a file that is too large to keep. */
export class SparseFile {
  readonly #pieces: { readonly start: number; readonly data: Buffer }[] = [];
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  keep(start: number, data: Buffer): void {
    this.#pieces.push({ start, data });
  }

  /**
   * @throws MissingBytes when they were not kept
   * @throws RangeError when they lie outside of the file
   */
  read(start: number, length: number): Buffer {
    const [content] = this.readAll([{ start, end: start + length }]);
    return content ?? Buffer.alloc(0);
  }

  /** Several ranges at once, so that all that is missing is asked for at once. Throws as {@link read}. */
  readAll(ranges: readonly ByteRange[]): Buffer[] {
    const found = ranges.map((range) => this.#find(range));
    const missing = ranges.filter((_, index) => found[index] === null);
    if (missing.length > 0) throw new MissingBytes(missing);
    return found.filter((content) => content !== null);
  }

  #find({ start, end }: ByteRange): Buffer | null {
    if (start < 0 || end < start || end > this.sizeBytes) throw new RangeError('outside of the file');
    if (start === end) return Buffer.alloc(0);
    const piece = this.#pieces.find((kept) => kept.start <= start && end <= kept.start + kept.data.length);
    return piece === undefined ? null : piece.data.subarray(start - piece.start, end - piece.start);
  }
}
