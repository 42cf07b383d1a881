import { OciError } from './errors.ts';

/** Bytes `first` to `last`, both counted. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What a `Range` header asks of content of a known size. */
export type RangeRequest =
  | { readonly kind: 'full' }
  | { readonly kind: 'ranges'; readonly ranges: readonly [ByteRange, ...ByteRange[]] }
  | { readonly kind: 'unsatisfiable' };

/** More ranges than this in one request are answered with everything (RFC 9110, 14.2: a server may ignore them). */
export const RANGES_MAX = 256;

/**
 * Parses a `Range` header (RFC 9110, 14.1.2 and 14.2) against `size` bytes.
 *
 * A header that is absent, of another unit or malformed asks for everything, and so does one whose ranges together
 * are larger than the content. Ranges beyond the end drop out; when none is left, and for `500-0`, the request cannot
 * be satisfied.
 */
export function parseRange(header: string | undefined, size: number): RangeRequest {
  if (header === undefined) return { kind: 'full' };
  const specs = /^bytes=(.*)$/i.exec(header.trim())?.[1]?.split(',');
  if (specs === undefined || specs.length > RANGES_MAX) return { kind: 'full' };

  const ranges: ByteRange[] = [];
  let total = 0;
  let seen = 0;
  for (const spec of specs) {
    const match = /^(\d*)-(\d*)$/.exec(spec.trim());
    // An empty list element is allowed in a list (RFC 9110, 5.6.1.2).
    if (spec.trim() === '') continue;
    if (match === null || (match[1] === '' && match[2] === '')) return { kind: 'full' };
    seen += 1;
    const range = resolveRange(match[1] ?? '', match[2] ?? '', size);
    if (range === null) continue;
    ranges.push(range);
    total += range.last - range.first + 1;
  }
  if (seen === 0) return { kind: 'full' };
  const [head, ...rest] = ranges;
  if (head === undefined) return { kind: 'unsatisfiable' };
  if (rest.length > 0 && total > size) return { kind: 'full' };
  return { kind: 'ranges', ranges: [head, ...rest] };
}

/** Digits beyond a safe integer become a number that is larger than any size, which is what they mean. */
function resolveRange(from: string, to: string, size: number): ByteRange | null {
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? null : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return first >= size || last < first ? null : { first, last };
}

/**
 * Parses the `Content-Range` of an upload chunk: `<first>-<last>`, both counted (distribution-spec, "Pushing a blob
 * in chunks"). The form of RFC 9110, `bytes <first>-<last>/<size or *>`, is understood as well.
 *
 * @throws OciError BLOB_UPLOAD_INVALID when it is anything else, RANGE_INVALID when it ends before it begins
 */
export function parseContentRange(header: string): ByteRange {
  const match = /^(?:bytes[ =])?(\d{1,16})-(\d{1,16})(?:\/(?:\d{1,16}|\*))?$/.exec(header.trim());
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) {
    throw new OciError(
      'BLOB_UPLOAD_INVALID',
      `invalid Content-Range "${header.slice(0, 80)}": expected <first byte>-<last byte>, e.g. 0-1023`,
    );
  }
  if (last < first) {
    throw new OciError('RANGE_INVALID', `invalid Content-Range "${header}": it ends before it begins`);
  }
  return { first, last };
}
