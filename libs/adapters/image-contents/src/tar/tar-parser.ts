import { LayerError } from '../errors.ts';
import type { LayerLimits } from '../limits.ts';
import { parsePaxRecords } from './pax.ts';
import { BLOCK, parseTarHeader, type TarHeader } from './tar-header.ts';

/** An entry of an archive, after long names and extended headers were applied. Names are as written. */
export interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'hardlink' | 'symlink' | 'directory' | 'other';
  readonly linkName: string;
  readonly sizeBytes: number;
  /** The bytes that follow are not the file but pieces of it. */
  readonly isSparse: boolean;
}

/** Takes the bytes of one file in order. Returning false from `write` means that the rest is not wanted. */
export interface ContentSink {
  write(chunk: Buffer): boolean;
  end(): void;
}

export interface TarHandler {
  /** Returns who wants the bytes of the entry, null for nobody. */
  entry(entry: TarEntry): ContentSink | null;
  /** Something in the archive that is not read but does not end the reading; one sentence. */
  note(reason: string): void;
}

const Step = { header: 0, content: 1, metadata: 2, sparseBlock: 3, done: 4 } as const;
type State = (typeof Step)[keyof typeof Step];

/** Types whose size does not count, because nothing follows (as Go's archive/tar, which runtimes use). */
const HEADER_ONLY = new Set(['1', '2', '3', '4', '5', '6']);

/** What extended headers say of the next entry. */
interface Overrides {
  name?: Buffer;
  linkName?: Buffer;
  sizeBytes?: number;
  isSparse?: boolean;
}

/**
 * Reads a tar archive from chunks of any size, without keeping more than one header or one extended header.
 *
 * Formats: v7, ustar, PAX, GNU long names and links, star, numbers to base 256. Hard links, symbolic links and
 * duplicates are handed on as they come. Sparse files are named as such, not expanded.
 */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: LayerLimits;
  #state: State = Step.header;
  #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #remaining = 0;
  #padding = 0;
  #sink: ContentSink | null = null;
  #metadata: Buffer[] = [];
  #metadataType = '';
  #overrides: Overrides = {};
  #pending: TarHeader | null = null;
  #zeroBlocks = 0;
  #entries = 0;

  constructor(handler: TarHandler, limits: LayerLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  get entries(): number {
    return this.#entries;
  }

  /** @throws LayerError when the archive is corrupt or exceeds a limit; the parser is then of no more use */
  write(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && this.#state !== Step.done) {
      if (this.#state === Step.header || this.#state === Step.sparseBlock) {
        offset += this.#fillBlock(chunk, offset);
      } else {
        offset += this.#takeContent(chunk, offset);
      }
    }
  }

  /** Call after the last chunk. @throws LayerError when the archive ends inside of an entry */
  end(): void {
    // Neither end mark nor padding of the last entry is demanded: some programs leave them out.
    const isComplete = this.#state === Step.done || (this.#state === Step.header && this.#filled === 0);
    if (!isComplete) {
      throw new LayerError('LAYER_CORRUPT', 'the archive ends in the middle of an entry');
    }
  }

  #fillBlock(chunk: Buffer, offset: number): number {
    if (this.#padding > 0) {
      const skipped = Math.min(this.#padding, chunk.length - offset);
      this.#padding -= skipped;
      return skipped;
    }
    const taken = Math.min(BLOCK - this.#filled, chunk.length - offset);
    chunk.copy(this.#block, this.#filled, offset, offset + taken);
    this.#filled += taken;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      if (this.#state === Step.sparseBlock) this.#takeSparseBlock();
      else this.#takeHeader();
    }
    return taken;
  }

  #takeHeader(): void {
    const header = parseTarHeader(this.#block);
    if (header === null) {
      // Two blocks of zeros end the archive; what follows is padding that nobody unpacks.
      this.#zeroBlocks += 1;
      if (this.#zeroBlocks === 2) this.#state = Step.done;
      return;
    }
    if (this.#zeroBlocks > 0) {
      throw new LayerError('LAYER_CORRUPT', 'the archive has an entry behind its end mark');
    }
    if ('xgLK'.includes(header.type)) this.#beginMetadata(header);
    else if (header.type === 'S' && header.hasMoreSparseBlocks) {
      this.#pending = copyNames(header);
      this.#state = Step.sparseBlock;
    } else this.#beginEntry(header);
  }

  /** Old GNU sparse files: more of the map stands between header and content, not counted in the size. */
  #takeSparseBlock(): void {
    if (this.#block.readUInt8(504) !== 0 || this.#pending === null) return;
    const header = this.#pending;
    this.#pending = null;
    this.#beginEntry(header);
  }

  #beginMetadata(header: TarHeader): void {
    if (header.sizeBytes > this.#limits.maxMetadataBytes) {
      throw new LayerError(
        'LAYER_LIMIT',
        `the archive has an extended header of ${header.sizeBytes} bytes, at most ${this.#limits.maxMetadataBytes} are read`,
      );
    }
    this.#metadataType = header.type;
    this.#metadata = [];
    this.#beginContent(header.sizeBytes, Step.metadata);
  }

  #beginEntry(header: TarHeader): void {
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries) {
      throw new LayerError('LAYER_LIMIT', `the archive has more than ${this.#limits.maxEntries} entries`);
    }
    const overrides = this.#overrides;
    this.#overrides = {};
    const rawName = overrides.name ?? header.name;
    const rawLink = overrides.linkName ?? header.linkName;
    const limit = this.#limits.maxPathBytes;
    if (rawName.length > limit || rawLink.length > limit) {
      throw new LayerError('LAYER_LIMIT', `the archive has a path of more than ${limit} bytes`);
    }
    const sizeBytes = HEADER_ONLY.has(header.type) ? 0 : (overrides.sizeBytes ?? header.sizeBytes);
    const name = decodeName(rawName);
    const type = typeOf(header.type, name);
    if (type === 'other' && !'346'.includes(header.type)) {
      this.#handler.note(`entries of type "${printable(header.type)}" are not read`);
    }
    const isSparse = header.type === 'S' || overrides.isSparse === true;
    this.#sink = this.#handler.entry({ name, type, linkName: decodeName(rawLink), sizeBytes, isSparse });
    this.#beginContent(sizeBytes, Step.content);
  }

  #beginContent(sizeBytes: number, state: State): void {
    this.#remaining = sizeBytes;
    this.#padding = (BLOCK - (sizeBytes % BLOCK)) % BLOCK;
    this.#state = state;
    if (sizeBytes === 0) this.#endContent();
  }

  #takeContent(chunk: Buffer, offset: number): number {
    const taken = Math.min(this.#remaining, chunk.length - offset);
    this.#remaining -= taken;
    if (this.#state === Step.metadata)
      this.#metadata.push(Buffer.from(chunk.subarray(offset, offset + taken)));
    else if (this.#sink !== null && !this.#sink.write(chunk.subarray(offset, offset + taken)))
      this.#sink = null;
    if (this.#remaining === 0) this.#endContent();
    return taken;
  }

  #endContent(): void {
    if (this.#state === Step.metadata) this.#applyMetadata(Buffer.concat(this.#metadata));
    this.#metadata = [];
    this.#state = Step.header;
    const sink = this.#sink;
    this.#sink = null;
    sink?.end();
  }

  #applyMetadata(content: Buffer): void {
    switch (this.#metadataType) {
      case 'L':
        this.#overrides.name = untilZero(content);
        break;
      case 'K':
        this.#overrides.linkName = untilZero(content);
        break;
      case 'x':
        this.#applyPax(parsePaxRecords(content));
        break;
      default: {
        // Runtimes ignore global headers (Go's archive/tar); one that renames or resizes entries is a trap.
        const records = parsePaxRecords(content);
        if (['path', 'linkpath', 'size'].some((key) => records.has(key))) {
          this.#handler.note('a global header that changes names or sizes is ignored');
        }
      }
    }
  }

  #applyPax(records: ReadonlyMap<string, Buffer>): void {
    const name = records.get('GNU.sparse.name') ?? records.get('path');
    const linkName = records.get('linkpath');
    const size = records.get('size');
    if (name !== undefined && name.length > 0) this.#overrides.name = name;
    if (linkName !== undefined && linkName.length > 0) this.#overrides.linkName = linkName;
    if (size !== undefined && size.length > 0) this.#overrides.sizeBytes = paxSize(size);
    if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) this.#overrides.isSparse = true;
  }
}

function paxSize(value: Buffer): number {
  const text = value.toString('latin1');
  const size = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) {
    throw new LayerError('LAYER_CORRUPT', 'the archive has an extended header whose size is no number');
  }
  return size;
}

function typeOf(type: string, name: string): TarEntry['type'] {
  switch (type) {
    case '0':
    case '\0':
    case '7':
    case 'S':
      // v7 had no type for directories and marked them by a slash.
      return name.endsWith('/') ? 'directory' : 'file';
    case '1':
      return 'hardlink';
    case '2':
      return 'symlink';
    case '5':
      return 'directory';
    default:
      return 'other';
  }
}

/** The block is reused for what follows, so names that must outlive it are copied. */
function copyNames(header: TarHeader): TarHeader {
  return { ...header, name: Buffer.from(header.name), linkName: Buffer.from(header.linkName) };
}

function untilZero(content: Buffer): Buffer {
  const end = content.indexOf(0);
  return end < 0 ? content : content.subarray(0, end);
}

/** Names are bytes. In one that is not UTF-8 every odd byte is spelled out, so that two names never become one. */
function decodeName(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd') && !text.includes('\0')) return text;
  return bytes
    .toString('latin1')
    .replace(/[\0\P{ASCII}]/gu, (byte) => `\ufffd${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function printable(type: string): string {
  return /^[!-~]$/.test(type) ? type : `0x${type.charCodeAt(0).toString(16)}`;
}
