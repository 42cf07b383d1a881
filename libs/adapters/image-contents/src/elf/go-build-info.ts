import { type ElfLayout, readElfLayout } from './elf-layout.ts';
import type { ByteRange, SparseFile } from './sparse-file.ts';

/** One module of a Go build. `version` is as the linker wrote it: `v1.2.3`, `(devel)` or empty. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
  readonly replace: GoModule | null;
}

/** What the Go linker writes into every binary (Go documentation, debug/buildinfo). */
export interface GoBuildInfo {
  /** E.g. `go1.22.8`, with experiments behind a space. */
  readonly goVersion: string;
  /** Import path of the main package, empty in builds without modules. */
  readonly path: string;
  readonly main: GoModule | null;
  readonly dependencies: readonly GoModule[];
}

/** `\xff Go buildinf:` */
export const GO_MAGIC = Buffer.from('\xff Go buildinf:', 'latin1');
/** The linker aligns the header to this. */
const ALIGNMENT = 16;
const HEADER_BYTES = 32;
const MAX_TEXT_BYTES = 16 * 2 ** 20;
/** The module text stands between two marks of this length. */
const MARK_BYTES = 16;

/**
 * Reads the build information of a Go binary, of Go 1.18 and later (text inside) or before (pointers to text).
 *
 * @param candidates offsets at which {@link GO_MAGIC} stands in the file; programs that look for it carry it too, so
 *   only one at the start of a section or in the data counts
 * @returns null when none of them is build information
 * @throws MissingBytes, RangeError
 */
export function readGoBuildInfo(file: SparseFile, candidates: readonly number[]): GoBuildInfo | null {
  if (candidates.length === 0) return null;
  const layout = readElfLayout(file);
  const offset =
    candidates.find((candidate) => layout.sections.some((section) => section.start === candidate)) ??
    candidates.find((candidate) => isInData(candidate, layout));
  if (offset === undefined) return null;
  const header = file.read(offset, HEADER_BYTES);
  const flags = header.readUInt8(15);
  const [version, modules] =
    (flags & 2) !== 0 ? readInlineTexts(file, offset + HEADER_BYTES) : readPointedTexts(file, header, layout);
  return { goVersion: version.toString('utf8'), ...parseModules(unmark(modules)) };
}

export function isGoMagicOffset(offset: number): boolean {
  return offset % ALIGNMENT === 0;
}

function isInData(offset: number, layout: ElfLayout): boolean {
  return layout.segments.some(
    (segment) =>
      segment.isWritable &&
      !segment.isExecutable &&
      offset >= segment.offset &&
      offset < segment.offset + segment.sizeBytes,
  );
}

/** Two texts, each with its length as a varint before it. */
function readInlineTexts(file: SparseFile, offset: number): [Buffer, Buffer] {
  const version = readText(file, offset);
  const modules = readText(file, version.end);
  return [version.text, modules.text];
}

function readText(file: SparseFile, offset: number): { text: Buffer; end: number } {
  let length = 0;
  let position = offset;
  for (let shift = 0; ; shift += 7) {
    const byte = file.read(position, 1).readUInt8(0);
    position += 1;
    length += (byte & 0x7f) * 2 ** shift;
    if ((byte & 0x80) === 0) break;
    if (shift > 28) throw new RangeError('a length that cannot be');
  }
  return { text: readBytes(file, position, length), end: position + length };
}

function readBytes(file: SparseFile, offset: number, length: number): Buffer {
  return file.read(offset, checkLength(length));
}

function checkLength(length: number): number {
  if (length > MAX_TEXT_BYTES) throw new RangeError('a text that is too long');
  return length;
}

/** Go before 1.18: two pointers to Go strings, which are a pointer and a length each. */
function readPointedTexts(file: SparseFile, header: Buffer, layout: ElfLayout): [Buffer, Buffer] {
  const width = header.readUInt8(14);
  if (width !== 4 && width !== 8) throw new RangeError('a pointer that is neither 4 nor 8 bytes wide');
  const isBig = (header.readUInt8(15) & 1) !== 0;
  const pointer = (data: Buffer, offset: number): number => {
    if (width === 4) return isBig ? data.readUInt32BE(offset) : data.readUInt32LE(offset);
    return Number(isBig ? data.readBigUInt64BE(offset) : data.readBigUInt64LE(offset));
  };
  const rangeAt = (address: number, length: number): ByteRange => {
    if (length === 0) return { start: 0, end: 0 };
    const start = offsetOf(address, layout);
    return { start, end: start + checkLength(length) };
  };
  const strings = [pointer(header, 16), pointer(header, 16 + width)];
  const descriptors = file.readAll(strings.map((address) => rangeAt(address, address === 0 ? 0 : 2 * width)));
  const texts = file.readAll(
    descriptors.map((descriptor) =>
      descriptor.length === 0 ? rangeAt(0, 0) : rangeAt(pointer(descriptor, 0), pointer(descriptor, width)),
    ),
  );
  return [texts[0] ?? Buffer.alloc(0), texts[1] ?? Buffer.alloc(0)];
}

function offsetOf(address: number, layout: ElfLayout): number {
  const segment = layout.segments.find(
    (candidate) => address >= candidate.address && address < candidate.address + candidate.sizeBytes,
  );
  if (segment === undefined) throw new RangeError('an address outside of all segments');
  return segment.offset + address - segment.address;
}

function unmark(modules: Buffer): string {
  const isMarked =
    modules.length >= 2 * MARK_BYTES + 1 && modules[modules.length - MARK_BYTES - 1] === '\n'.charCodeAt(0);
  return isMarked ? modules.toString('utf8', MARK_BYTES, modules.length - MARK_BYTES) : '';
}

/** Lines of tabulator-separated fields: path, mod, dep, => (replaces the line before), build. */
function parseModules(text: string): Pick<GoBuildInfo, 'path' | 'main' | 'dependencies'> {
  let path = '';
  const mains: GoModule[] = [];
  const dependencies: GoModule[] = [];
  for (const line of text.split('\n')) {
    const [kind, name = '', version = ''] = line.split('\t');
    const module: GoModule = { path: name, version, replace: null };
    if (kind === 'path') path = name;
    else if (kind === 'mod') mains.push(module);
    else if (kind === 'dep') dependencies.push(module);
    else if (kind === '=>') {
      const list = dependencies.length > 0 ? dependencies : mains;
      const replaced = list.pop();
      if (replaced !== undefined) list.push({ ...replaced, replace: module });
    }
  }
  return { path, main: mains[0] ?? null, dependencies };
}
