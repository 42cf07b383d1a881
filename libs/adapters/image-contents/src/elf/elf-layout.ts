import type { ByteRange, SparseFile } from './sparse-file.ts';

/** Where a range of addresses stands in the file. */
export interface Segment {
  readonly address: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly isWritable: boolean;
  readonly isExecutable: boolean;
}

export interface ElfLayout {
  readonly segments: readonly Segment[];
  /** File ranges of sections that have content. Their names are not needed and often stand far away. */
  readonly sections: readonly ByteRange[];
  /** The section of section names, null where there are no sections. */
  readonly sectionNames: ByteRange | null;
}

export const ELF_MAGIC = Buffer.from('\x7fELF', 'latin1');
const LOADABLE = 1;
const NO_CONTENT = 8;
const MAX_HEADERS = 4096;

/** Reads numbers in the width and byte order of an ELF file (System V ABI, "Data Representation"). */
interface Numbers {
  readonly is64: boolean;
  u16(data: Buffer, offset: number): number;
  u32(data: Buffer, offset: number): number;
  /** An address, offset or size: 4 or 8 bytes. */
  word(data: Buffer, offset: number): number;
}

/**
 * Segments and sections of an ELF file (System V ABI, chapter 4 and 5).
 *
 * @throws MissingBytes when the tables were not kept; RangeError when they cannot be in the file
 */
export function readElfLayout(file: SparseFile): ElfLayout {
  const ident = file.read(0, 16);
  const numbers = numbersOf(ident);
  const header = file.read(0, numbers.is64 ? 64 : 52);
  const at = numbers.is64
    ? {
        programs: 32,
        sections: 40,
        programSize: 54,
        programCount: 56,
        sectionSize: 58,
        sectionCount: 60,
        names: 62,
      }
    : {
        programs: 28,
        sections: 32,
        programSize: 42,
        programCount: 44,
        sectionSize: 46,
        sectionCount: 48,
        names: 50,
      };
  const programs = table(
    file,
    numbers.word(header, at.programs),
    numbers.u16(header, at.programSize),
    numbers.u16(header, at.programCount),
  );
  const sections = table(
    file,
    numbers.word(header, at.sections),
    numbers.u16(header, at.sectionSize),
    numbers.u16(header, at.sectionCount),
  );
  const names = sections[numbers.u16(header, at.names)];
  return {
    segments: programs.flatMap((entry) => segmentOf(entry, numbers)),
    sections: sections.flatMap((entry) => sectionOf(entry, numbers)),
    sectionNames: names === undefined ? null : (sectionOf(names, numbers)[0] ?? null),
  };
}

/** The range of a file's section table, which usually stands at its end; null when the header names none. */
export function sectionTableRange(start: Buffer): ByteRange | null {
  if (start.length < 64 || start[4] === 0) return null;
  const numbers = numbersOf(start);
  const offset = numbers.word(start, numbers.is64 ? 40 : 32);
  const sizeBytes = numbers.u16(start, numbers.is64 ? 58 : 46) * numbers.u16(start, numbers.is64 ? 60 : 48);
  return offset === 0 || sizeBytes === 0 ? null : { start: offset, end: offset + sizeBytes };
}

function numbersOf(ident: Buffer): Numbers {
  const is64 = ident[4] === 2;
  const isBig = ident[5] === 2;
  const u32 = (data: Buffer, offset: number): number =>
    isBig ? data.readUInt32BE(offset) : data.readUInt32LE(offset);
  return {
    is64,
    u16: (data, offset) => (isBig ? data.readUInt16BE(offset) : data.readUInt16LE(offset)),
    u32,
    word: (data, offset) =>
      is64 ? Number(isBig ? data.readBigUInt64BE(offset) : data.readBigUInt64LE(offset)) : u32(data, offset),
  };
}

function table(file: SparseFile, offset: number, entryBytes: number, count: number): Buffer[] {
  if (offset === 0 || count === 0) return [];
  if (count > MAX_HEADERS || entryBytes < 32) throw new RangeError('no table of headers');
  const content = file.read(offset, entryBytes * count);
  return Array.from({ length: count }, (_, index) =>
    content.subarray(index * entryBytes, (index + 1) * entryBytes),
  );
}

function segmentOf(entry: Buffer, numbers: Numbers): Segment[] {
  if (entry.length < (numbers.is64 ? 56 : 32) || numbers.u32(entry, 0) !== LOADABLE) return [];
  const flags = numbers.u32(entry, numbers.is64 ? 4 : 24);
  return [
    {
      offset: numbers.word(entry, numbers.is64 ? 8 : 4),
      address: numbers.word(entry, numbers.is64 ? 16 : 8),
      sizeBytes: numbers.word(entry, numbers.is64 ? 32 : 16),
      isWritable: (flags & 2) !== 0,
      isExecutable: (flags & 1) !== 0,
    },
  ];
}

function sectionOf(entry: Buffer, numbers: Numbers): ByteRange[] {
  if (entry.length < (numbers.is64 ? 64 : 40) || numbers.u32(entry, 4) === NO_CONTENT) return [];
  const start = numbers.word(entry, numbers.is64 ? 24 : 16);
  const sizeBytes = numbers.word(entry, numbers.is64 ? 32 : 20);
  return sizeBytes === 0 ? [] : [{ start, end: start + sizeBytes }];
}
