import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { warningHeader } from './warning.ts';

/** What containers/image accepts: exactly `299 - ` and one quoted string (parseRegistryWarningHeader). */
const FORM = /^299 - "(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/;

describe('the Warning header', () => {
  it('quotes the message', () => {
    expect(warningHeader('scan: old data')).toBe('299 - "scan: old data"');
    expect(warningHeader('a "b" c\\d')).toBe('299 - "a \\"b\\" c\\\\d"');
  });

  it('has the one form that clients accept and at most 4096 bytes, whatever the message', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc
        .constantFrom('"', '\\', '\r\n', 'é')
        .chain((unit) => fc.nat(5_000).map((times) => unit.repeat(times))),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), (parts) => {
        const header = warningHeader(parts.join(''));
        expect(header).toMatch(FORM);
        expect(Buffer.byteLength(header)).toBeLessThanOrEqual(4_096);
      }),
      { seed: 5, numRuns: 500 },
    );
  });
});
