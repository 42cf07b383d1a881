/** A run of bytes of a file: [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Thrown by readers of a {@link SparseFile} for bytes that were not kept; the file must be streamed once more. */
export class MissingBytes extends Error {
  readonly range: ByteRange;

  constructor(range: ByteRange) {
    super(`bytes ${range.start} to ${range.end} were not kept`);
    this.range = range;
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
    const end = start + length;
    if (start < 0 || length < 0 || end > this.sizeBytes) throw new RangeError('outside of the file');
    const piece = this.#pieces.find((kept) => kept.start <= start && end <= kept.start + kept.data.length);
    if (piece === undefined) throw new MissingBytes({ start, end });
    return piece.data.subarray(start - piece.start, end - piece.start);
  }
}
