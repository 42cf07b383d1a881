import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeySet } from './key-set.ts';

const rsa = (bits: number) =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
const ec = (curve: string) =>
  generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'jwk' });
const good = { ...rsa(2_048), kid: 'good' };
const found = (keys: readonly object[], kid: string | null = 'k', algorithm: 'RS256' | 'ES256' = 'RS256') =>
  KeySet.parse(JSON.stringify({ keys: [good, ...keys] })).find(kid, algorithm) !== null;

describe('a JWK set', () => {
  it('gives RSA keys for RS256 and P-256 keys for ES256', () => {
    expect(found([{ ...rsa(2_048), kid: 'k', use: 'sig', alg: 'RS256' }])).toBe(true);
    expect(found([{ ...ec('P-256'), kid: 'k' }], 'k', 'ES256')).toBe(true);
    expect(found([{ ...ec('P-256'), kid: 'k' }], 'k', 'RS256')).toBe(false);
  });

  it.each([
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'k' }],
    ['a key for encryption', { ...rsa(2_048), kid: 'k', use: 'enc' }],
    ['a key of another algorithm', { ...rsa(2_048), kid: 'k', alg: 'PS256' }],
    ['a short RSA key', { ...rsa(1_024), kid: 'k' }],
    ['another curve', { ...ec('P-384'), kid: 'k' }],
    ['a malformed key', { kty: 'RSA', n: '!', e: 'AQAB', kid: 'k' }],
    ['no key at all', null],
  ])('leaves out %s and keeps the others', (_, key) => {
    expect(found([key as object])).toBe(false);
    expect(found([key as object], 'good')).toBe(true);
  });

  it('without a kid gives a key only when there is no choice', () => {
    expect(found([], null)).toBe(true);
    expect(found([{ ...rsa(2_048), kid: 'k' }], null)).toBe(false);
  });

  it('is refused as a whole when nothing in it can be used', () => {
    for (const text of [
      '{}',
      '[]',
      'null',
      '{"keys":[]}',
      '{"keys":{}}',
      '{"keys":[{"kty":"oct","k":"eA"}]}',
    ]) {
      expect(() => KeySet.parse(text)).toThrow(TypeError);
    }
  });

  it('never fails but with an error of parsing, whatever it is given', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          KeySet.parse(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
      }),
    );
  });
});
