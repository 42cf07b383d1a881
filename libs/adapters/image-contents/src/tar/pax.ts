import { LayerError } from '../errors.ts';

/**
 * The records of an extended header (POSIX pax, "pax Header Block"): `<length> <key>=<value>\n`, where the length
 * counts the whole record. Values stay bytes, because names need not be UTF-8.
 *
 * @throws LayerError LAYER_CORRUPT
 */
export function parsePaxRecords(content: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  let offset = 0;
  while (offset < content.length) {
    const space = content.indexOf(0x20, offset);
    const digits = space < 0 ? '' : content.toString('latin1', offset, space);
    const length = /^\d{1,9}$/.test(digits) ? Number(digits) : 0;
    const end = offset + length;
    const equals = content.indexOf(0x3d, space);
    if (length === 0 || end > content.length || content[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      throw new LayerError('LAYER_CORRUPT', 'the archive has an extended header that cannot be read');
    }
    records.set(content.toString('utf8', space + 1, equals), content.subarray(equals + 1, end - 1));
    offset = end;
  }
  return records;
}
