import { LayerError } from '../errors.ts';

const FRAME_MAGIC = 0xfd2fb528;
const RLE_BLOCK = 1;

/** What the next bytes of a stream are (RFC 8878, 3.1). */
type Part =
  | 'magic'
  | 'skippable-size'
  | 'skippable-content'
  | 'descriptor'
  | 'header'
  | 'block-header'
  | 'block-content'
  | 'checksum';

/** RFC 8878, 3.1: the magic number of a frame, or one of the sixteen of skippable frames. */
export function isZstdMagic(magic: number): boolean {
  return magic === FRAME_MAGIC || isSkippable(magic);
}

/**
 * Cuts a zstd stream so that no chunk reaches beyond the end of a frame, and drops skippable frames.
 *
 * Needed because Node's decoder takes frames one after the other, but forgets what follows the end of a frame in the
 * same chunk, and layers of many frames exist (zstd:chunked, parallel compressors).
 *
 * @throws LayerError LAYER_CORRUPT for bytes between frames that belong to none
 */
export async function* splitZstdFrames(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  const splitter = new FrameSplitter();
  for await (const chunk of source) yield* splitter.split(chunk);
  splitter.end();
}

class FrameSplitter {
  #part: Part = 'magic';
  #missing = 4;
  /** Bytes of the part, unless it is content. */
  #field = Buffer.alloc(0);
  #descriptor = 0;
  #isLastBlock = false;

  *split(chunk: Buffer): Generator<Buffer> {
    let start: number | null = null;
    let offset = 0;
    while (offset < chunk.length) {
      const taken = Math.min(this.#missing, chunk.length - offset);
      if (!this.#isDropped()) start ??= offset;
      if (!this.#part.endsWith('content')) {
        this.#field = Buffer.concat([this.#field, chunk.subarray(offset, offset + taken)]);
      }
      offset += taken;
      this.#missing -= taken;
      if (this.#missing > 0) break;
      // The magic number is held back until it is whole, because only then is it known whose it is.
      if (this.#part === 'magic' && this.#field.readUInt32LE(0) === FRAME_MAGIC) yield this.#field;
      this.#advance();
      if (this.#part === 'magic' && start !== null) {
        yield chunk.subarray(start, offset);
        start = null;
      }
    }
    if (start !== null) yield chunk.subarray(start, offset);
  }

  end(): void {
    if (this.#part !== 'magic' || this.#field.length > 0) {
      throw new LayerError('LAYER_CORRUPT', 'the zstd stream is corrupt: it ends inside of a frame');
    }
  }

  #isDropped(): boolean {
    return this.#part === 'magic' || this.#part.startsWith('skippable');
  }

  /** The part is complete: what comes next. Parts of no length are passed over. */
  #advance(): void {
    do this.#next();
    while (this.#missing === 0);
  }

  #next(): void {
    switch (this.#part) {
      case 'magic': {
        const magic = this.#field.readUInt32LE(0);
        if (!isZstdMagic(magic))
          throw new LayerError(
            'LAYER_CORRUPT',
            'the zstd stream is corrupt: no frame begins where one should',
          );
        return isSkippable(magic) ? this.#expect('skippable-size', 4) : this.#expect('descriptor', 1);
      }
      case 'skippable-size':
        return this.#expect('skippable-content', this.#field.readUInt32LE(0));
      case 'descriptor':
        this.#descriptor = this.#field.readUInt8(0);
        return this.#expect('header', headerBytes(this.#descriptor));
      case 'header':
        return this.#expect('block-header', 3);
      case 'block-header': {
        const header = this.#field.readUIntLE(0, 3);
        this.#isLastBlock = (header & 1) !== 0;
        const isRle = ((header >>> 1) & 3) === RLE_BLOCK;
        return this.#expect('block-content', isRle ? 1 : header >>> 3);
      }
      case 'block-content': {
        if (!this.#isLastBlock) return this.#expect('block-header', 3);
        const hasChecksum = (this.#descriptor & 4) !== 0;
        return hasChecksum ? this.#expect('checksum', 4) : this.#expect('magic', 4);
      }
      case 'skippable-content':
      case 'checksum':
        return this.#expect('magic', 4);
    }
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part;
    this.#missing = bytes;
    this.#field = Buffer.alloc(0);
  }
}

function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

/** RFC 8878, 3.1.1.1: window descriptor, dictionary id and content size, as the descriptor says. */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
}
