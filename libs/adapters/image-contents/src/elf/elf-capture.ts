import type { ContentSink } from '../tar/tar-parser.ts';
import { ELF_MAGIC, sectionTableRange } from './elf-layout.ts';
import { GO_MAGIC, isGoMagicOffset } from './go-build-info.ts';
import { type ByteRange, SparseFile } from './sparse-file.ts';

/** Enough for the file header and the program headers that linkers write right behind it. */
const HEAD_BYTES = 4096;
/** What is kept from each mark on; build information is rarely longer, and else the file is streamed again. */
const WINDOW_BYTES = 128 * 1024;
const MAX_MARKS = 16;
const MAX_TABLE_BYTES = 2 ** 20;
/** Section name of the dependency list that cargo-auditable writes, as it stands among the section names. */
const RUST_MARK = Buffer.from('.dep-v0\0', 'latin1');

/** What was seen of an executable while it streamed by. */
export interface CapturedElf {
  readonly file: SparseFile;
  /** Offsets of the mark of Go's build information. */
  readonly goMarks: readonly number[];
  readonly rustMarks: readonly number[];
  readonly isPacked: boolean;
  /** There are more marks of Go than were kept, so that the one that counts may be missing. */
  readonly isCrowded: boolean;
}

/**
 * Watches a file stream by and keeps of an ELF file only what its build information needs: the head, the table of
 * sections, what follows each mark, and the ranges that an earlier pass asked for.
 */
export class ElfCapture implements ContentSink {
  readonly #done: (captured: CapturedElf) => void;
  readonly #sizeBytes: number;
  readonly #goMarks: number[] = [];
  readonly #rustMarks: number[] = [];
  readonly #pieces: Piece[];
  #position = 0;
  #tail = Buffer.alloc(0);
  #head = Buffer.alloc(0);
  #isElf: boolean | null = null;
  #isSectionTableWanted = false;
  #isCrowded = false;

  /** @param wanted ranges to keep besides, which an earlier pass missed */
  constructor(sizeBytes: number, wanted: readonly ByteRange[], done: (captured: CapturedElf) => void) {
    this.#sizeBytes = sizeBytes;
    this.#done = done;
    this.#pieces = wanted.map((range) => ({ ...range, chunks: [] }));
  }

  write(chunk: Buffer): boolean {
    if (this.#head.length < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES - this.#head.length)]);
    }
    this.#isElf ??= this.#head.length < ELF_MAGIC.length ? null : this.#head.subarray(0, 4).equals(ELF_MAGIC);
    if (this.#isElf === false) return false;
    this.#wantSectionTable();
    this.#findMarks(chunk);
    this.#keep(chunk);
    this.#position += chunk.length;
    return true;
  }

  end(): void {
    if (this.#isElf !== true) return;
    const file = new SparseFile(this.#sizeBytes);
    file.keep(0, this.#head);
    for (const piece of this.#pieces) {
      const content = Buffer.concat(piece.chunks);
      // One that was asked for after its beginning had passed is left to the next pass.
      if (content.length === piece.end - piece.start) file.keep(piece.start, content);
    }
    this.#done({
      file,
      goMarks: this.#goMarks,
      rustMarks: this.#rustMarks,
      isCrowded: this.#isCrowded,
      isPacked: this.#head.subarray(0, 1024).includes('UPX!'),
    });
  }

  #wantSectionTable(): void {
    if (this.#isSectionTableWanted || this.#head.length < Math.min(64, this.#sizeBytes)) return;
    this.#isSectionTableWanted = true;
    const table = sectionTableRange(this.#head);
    if (table !== null && table.end - table.start <= MAX_TABLE_BYTES) this.#want(table);
  }

  #findMarks(chunk: Buffer): void {
    const start = this.#position - this.#tail.length;
    // A mark may lie across two chunks: the end of the last one is looked at again.
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, GO_MAGIC.length)]);
    for (const offset of occurrences(seam, GO_MAGIC, start)) this.#takeGoMark(offset, seam, start);
    for (const offset of occurrences(chunk, GO_MAGIC, this.#position))
      this.#takeGoMark(offset, chunk, this.#position);
    for (const offset of occurrences(seam, RUST_MARK, start)) this.#takeRustMark(offset);
    for (const offset of occurrences(chunk, RUST_MARK, this.#position)) this.#takeRustMark(offset);
    this.#tail = Buffer.from(lastBytes(Buffer.concat([this.#tail, lastBytes(chunk)])));
  }

  #takeGoMark(offset: number, data: Buffer, start: number): void {
    if (!isGoMagicOffset(offset) || this.#goMarks.includes(offset)) return;
    if (this.#goMarks.length >= MAX_MARKS) {
      this.#isCrowded = true;
      return;
    }
    this.#goMarks.push(offset);
    const piece = this.#want({ start: offset, end: Math.min(this.#sizeBytes, offset + WINDOW_BYTES) });
    // The part of the mark in the chunk before is gone otherwise.
    if (offset < this.#position)
      piece.chunks.push(Buffer.from(data.subarray(offset - start, this.#position - start)));
  }

  /** The last ones are kept, because section names stand at the end of a file. */
  #takeRustMark(offset: number): void {
    this.#rustMarks.push(offset);
    if (this.#rustMarks.length > MAX_MARKS) this.#rustMarks.shift();
  }

  #want(range: ByteRange): Piece {
    const piece = { ...range, chunks: [] };
    this.#pieces.push(piece);
    return piece;
  }

  #keep(chunk: Buffer): void {
    for (const piece of this.#pieces) {
      const start = Math.max(piece.start, this.#position) - this.#position;
      const end = Math.min(piece.end, this.#position + chunk.length) - this.#position;
      if (start < end) piece.chunks.push(Buffer.from(chunk.subarray(start, end)));
    }
  }
}

interface Piece extends ByteRange {
  readonly chunks: Buffer[];
}

function lastBytes(data: Buffer): Buffer {
  return data.subarray(Math.max(0, data.length - GO_MAGIC.length + 1));
}

function* occurrences(data: Buffer, mark: Buffer, start: number): Generator<number> {
  for (let at = data.indexOf(mark); at >= 0; at = data.indexOf(mark, at + 1)) yield start + at;
}
