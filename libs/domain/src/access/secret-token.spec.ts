import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatSecretToken,
  looksLikeSecretToken,
  parseSecretToken,
  type SecretKind,
} from './secret-token.ts';

const kind = fc.constantFrom<SecretKind>('pat', 'robot', 'refresh');
const random = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('a secret token', () => {
  it('is its prefix, 43 digits of random and 6 of checksum, and tells its kind', () => {
    fc.assert(
      fc.property(kind, random, (each, bytes) => {
        const token = formatSecretToken(each, bytes);
        expect(token).toMatch(/^slc_(pat|rob|ref)_[0-9A-Za-z]{49}$/);
        expect(parseSecretToken(token)).toBe(each);
        expect(looksLikeSecretToken(token)).toBe(true);
      }),
    );
  });

  it('keeps all 256 bits: different bytes give different tokens', () => {
    fc.assert(
      fc.property(random, random, (a, b) => {
        const isEqual = Buffer.from(a).equals(Buffer.from(b));
        expect(formatSecretToken('pat', a) === formatSecretToken('pat', b)).toBe(isEqual);
      }),
    );
    expect(formatSecretToken('pat', new Uint8Array(32).fill(255))).toMatch(/^slc_pat_[0-9A-Za-z]{49}$/);
  });

  it('ends with the CRC-32 of what stands before, as other tools compute it', () => {
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const token = formatSecretToken('robot', new Uint8Array(32).fill(7));
    const value = token
      .slice(-6)
      .split('')
      .reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0);
    expect(value).toBe(crc32(token.slice(0, -6)));
  });

  it('is refused with one character changed, missing or added', () => {
    const token = formatSecretToken('pat', new Uint8Array(32).fill(9));
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom('a', 'Z', '0', '9', '_'), (index, character) => {
        fc.pre(token[index] !== character);
        expect(() => parseSecretToken(token.slice(0, index) + character + token.slice(index + 1))).toThrow(
          /checksum/,
        );
      }),
    );
    expect(() => parseSecretToken(token.slice(0, -1))).toThrow(/checksum/);
    expect(() => parseSecretToken(`${token}0`)).toThrow(/checksum/);
  });

  it('needs exactly 32 random bytes', () => {
    expect(() => formatSecretToken('pat', new Uint8Array(31))).toThrow(RangeError);
  });
});
