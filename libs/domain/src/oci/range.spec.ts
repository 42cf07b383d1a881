import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from './errors.ts';
import { parseContentRange, parseRange, RANGES_MAX } from './range.ts';

const SIZE = 2048;

describe('the Range of a pull (RFC 9110, 14)', () => {
  it.each([
    ['bytes=500-1499', [[500, 1499]]],
    ['bytes=500-', [[500, 2047]]],
    ['bytes=-500', [[1548, 2047]]],
    ['bytes=-5000', [[0, 2047]]],
    ['bytes=2000-5000', [[2000, 2047]]],
    ['bytes=0-0', [[0, 0]]],
    ['bytes=2047-2047', [[2047, 2047]]],
    [
      'bytes=0-1, 100-199 ,-1',
      [
        [0, 1],
        [100, 199],
        [2047, 2047],
      ],
    ],
    ['bytes=0-1,9999-', [[0, 1]]],
    ['BYTES=0-1', [[0, 1]]],
    ['bytes=0-99999999999999999999999', [[0, 2047]]],
  ])('%s gives %j', (header, expected) => {
    expect(parseRange(header, SIZE)).toEqual({
      kind: 'ranges',
      ranges: expected.map(([first, last]) => ({ first, last })),
    });
  });

  it.each(['bytes=500-0', 'bytes=2048-', 'bytes=5000-10000', 'bytes=-0', 'bytes=5000-,6000-'])(
    '%s cannot be satisfied',
    (header) => {
      expect(parseRange(header, SIZE)).toEqual({ kind: 'unsatisfiable' });
    },
  );

  it.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'items=0-1',
    'bytes=0-1,x',
    'bytes=0x1-2',
    'bytes=1--2',
  ])('ignores %s: a malformed header asks for everything', (header) => {
    expect(parseRange(header, SIZE)).toEqual({ kind: 'full' });
  });

  it('answers everything when the ranges together are more than the content, or too many', () => {
    expect(parseRange('bytes=0-2047,0-0', SIZE)).toEqual({ kind: 'full' });
    const many = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, i) => `${i}-${i}`).join(',')}`;
    expect(parseRange(many(RANGES_MAX), SIZE)).toMatchObject({ kind: 'ranges' });
    expect(parseRange(many(RANGES_MAX + 1), SIZE)).toEqual({ kind: 'full' });
  });

  it('of empty content only everything can be had', () => {
    expect(parseRange('bytes=0-0', 0)).toEqual({ kind: 'unsatisfiable' });
    expect(parseRange('bytes=-1', 0)).toEqual({ kind: 'unsatisfiable' });
  });

  it('never leaves the content, whatever is asked', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(5000), fc.nat(5000)).map(([a, b]) => `${a}-${b}`),
      fc.nat(5000).map((n) => `-${n}`),
      fc.nat(5000).map((n) => `${n}-`),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 6 }), fc.nat(4096), (specs, size) => {
        const parsed = parseRange(`bytes=${specs.join(',')}`, size);
        if (parsed.kind !== 'ranges') return;
        for (const { first, last } of parsed.ranges) {
          expect(first).toBeGreaterThanOrEqual(0);
          expect(last).toBeGreaterThanOrEqual(first);
          expect(last).toBeLessThan(size);
        }
      }),
      { seed: 3, numRuns: 1_000 },
    );
  });
});

describe('the Content-Range of a chunk', () => {
  it.each([
    ['0-1023', 0, 1023],
    ['1024-1024', 1024, 1024],
    ['bytes 0-9/10', 0, 9],
    ['bytes 5-9/*', 5, 9],
  ])('reads %s', (header, first, last) => {
    expect(parseContentRange(header)).toEqual({ first, last });
  });

  it.each(['', '5', '-5', '5-', 'a-b', '0-1,2-3', 'bytes */10', '0-99999999999999999', '0x0-0x5'])(
    'refuses %s with BLOB_UPLOAD_INVALID',
    (header) => {
      expect(() => parseContentRange(header)).toThrow(
        expect.objectContaining({ code: 'BLOB_UPLOAD_INVALID' }),
      );
    },
  );

  it('gives back what was written, and refuses all other text in its own words', () => {
    const bound = fc.oneof(
      fc.nat(),
      fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String),
      fc.constantFrom('', '-', '0x1'),
    );
    const written = fc.tuple(
      fc.constantFrom('', 'bytes ', 'bytes=', 'lines '),
      bound,
      bound,
      fc.constantFrom('', '/*', '/9', '/'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          written.map(([unit, a, b, size]) => `${unit}${a}-${b}${size}`),
        ),
        (header) => {
          try {
            const { first, last } = parseContentRange(header);
            expect(Number.isSafeInteger(first) && Number.isSafeInteger(last) && first <= last).toBe(true);
            expect(
              header
                .replace(/^\s*(bytes[ =])?/, '')
                .replace(/(\/.*)?\s*$/, '')
                .split('-')
                .map(Number),
            ).toEqual([first, last]);
          } catch (error) {
            if (!(error instanceof OciError)) throw error;
            expect(['BLOB_UPLOAD_INVALID', 'RANGE_INVALID']).toContain(error.code);
            expect(error.message.length).toBeLessThan(200);
          }
        },
      ),
      { seed: 6, numRuns: 2_000 },
    );
  });

  it('refuses a range that ends before it begins with RANGE_INVALID', () => {
    expect(() => parseContentRange('10-9')).toThrow(expect.objectContaining({ code: 'RANGE_INVALID' }));
  });
});
