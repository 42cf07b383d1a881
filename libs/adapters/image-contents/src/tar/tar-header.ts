import { LayerError } from '../errors.ts';

/** tar(5): everything in an archive comes in blocks of this size. */
export const BLOCK = 512;

/** One header block, with the numbers and names as they stand in it. */
export interface TarHeader {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly type: string;
  readonly sizeBytes: number;
  readonly mode: number;
  /** Old GNU sparse files only: the map goes on in the next block. */
  readonly hasMoreSparseBlocks: boolean;
}

/**
 * Reads a header block of the formats v7, ustar, GNU and star; null for a block of zeros, which ends an archive.
 *
 * @throws LayerError LAYER_CORRUPT for a wrong checksum or a number that is none
 */
export function parseTarHeader(block: Buffer): TarHeader | null {
  if (isZero(block)) return null;
  verifyChecksum(block);
  const magic = block.toString('latin1', 257, 265);
  const name = textField(block, 0, 100);
  return {
    name: magic.startsWith('ustar\0') ? withPrefix(block, name) : name,
    linkName: textField(block, 157, 100),
    type: String.fromCharCode(block.readUInt8(156)),
    sizeBytes: numberField(block, 124, 12, 'size'),
    mode: numberField(block, 100, 8, 'mode'),
    hasMoreSparseBlocks: block.readUInt8(482) !== 0,
  };
}

/** GNU uses the bytes of the prefix for other things, and star keeps times behind its 131 bytes. */
function withPrefix(block: Buffer, name: Buffer): Buffer {
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = textField(block, 345, isStar ? 131 : 155);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

function isZero(block: Buffer): boolean {
  for (let index = 0; index < BLOCK; index += 4) if (block.readUInt32LE(index) !== 0) return false;
  return true;
}

/** The sum of all bytes with spaces in the place of the checksum; old programs summed signed bytes. */
function verifyChecksum(block: Buffer): void {
  const stated = numberField(block, 148, 8, 'checksum');
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < BLOCK; index += 1) {
    const byte = index >= 148 && index < 156 ? 32 : (block[index] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  if (stated !== unsigned && stated !== signed) {
    throw new LayerError('LAYER_CORRUPT', 'the archive has a header with a wrong checksum');
  }
}

function textField(block: Buffer, start: number, length: number): Buffer {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

/** Octal digits, or a number to base 256 when the first bit is set (GNU and star, for large values). */
function numberField(block: Buffer, start: number, length: number, what: string): number {
  const field = block.subarray(start, start + length);
  const first = field[0] ?? 0;
  const value = (first & 0x80) === 0 ? octal(field) : base256(field);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new LayerError('LAYER_CORRUPT', `the archive has a header whose ${what} is no number`);
  }
  return value;
}

function octal(field: Buffer): number {
  const text = field.toString('latin1').replace(/^[ \0]+|[ \0].*$/gs, '');
  return text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

/** Two's complement over the remaining bits; a set sign bit is a negative number, which no field may have. */
function base256(field: Buffer): number {
  const first = field[0] ?? 0;
  if ((first & 0x40) !== 0) return -1;
  return field.subarray(1).reduce((value, byte) => value * 256 + byte, first & 0x3f);
}
