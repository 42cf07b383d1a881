import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KeyError } from './errors.ts';
import { keyHint, parsePublicKey } from './public-key.ts';

const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

function codeOf(pem: string): string {
  try {
    parsePublicKey(pem);
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('parsePublicKey', () => {
  it.each([
    ['p256', 'ecdsa-p256'],
    ['p384', 'ecdsa-p384'],
    ['p521', 'ecdsa-p521'],
    ['rsa2048', 'rsa'],
    ['ed25519', 'ed25519'],
  ])('reads %s.pub of cosign as %s', (name, algorithm) => {
    expect(parsePublicKey(read(`${name}.pub`)).algorithm).toBe(algorithm);
  });

  it('names a key by the hex SHA-256 of its SubjectPublicKeyInfo', () => {
    const pem = read('p256.pub');
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    expect(parsePublicKey(pem).keyId).toBe(createHash('sha256').update(der).digest('hex'));
  });

  it('computes the hint that cosign writes into bundles', () => {
    const bundle = JSON.parse(read('p384.bundle.json')) as {
      verificationMaterial: { publicKey: { hint: string } };
    };
    expect(keyHint(parsePublicKey(read('p384.pub')))).toBe(bundle.verificationMaterial.publicKey.hint);
  });

  it('gives two spellings of one key the same id: compressed points, line ends, surrounding space', () => {
    const key = parsePublicKey(read('p256.pub'));
    const { x = '', y = '' } = key.key.export({ format: 'jwk' });
    const isOdd = ((Buffer.from(y, 'base64url').at(-1) ?? 0) & 1) === 1;
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.from([isOdd ? 3 : 2]),
      Buffer.from(x, 'base64url'),
    ]);
    const pem = `-----BEGIN PUBLIC KEY-----\r\n${compressed.toString('base64')}\r\n-----END PUBLIC KEY-----`;
    expect(parsePublicKey(`\n  ${pem}\r\n\n`)).toMatchObject({ keyId: key.keyId, pem: key.pem });
  });

  it('refuses a private key as KEY_IS_PRIVATE, encrypted or not, and does not repeat it', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const plain = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(codeOf(plain)).toBe('KEY_IS_PRIVATE');
    expect(codeOf(read('p256.key'))).toBe('KEY_IS_PRIVATE');
    expect(codeOf(`${read('p256.pub')}${plain}`)).toBe('KEY_IS_PRIVATE');
    expect(() => parsePublicKey(plain)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(plain.slice(40, 60)) as string }),
    );
  });

  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['two keys', `${read('p256.pub')}${read('p384.pub')}`],
    ['a certificate', read('p256.pub').replaceAll('PUBLIC KEY', 'CERTIFICATE')],
    ['the PKCS #1 form', read('rsa2048.pub').replaceAll('PUBLIC KEY', 'RSA PUBLIC KEY')],
    ['a block of noise', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'],
    ['something too long', `${read('p256.pub')}${' x'.repeat(20_000)}`],
  ])('refuses %s as KEY_INVALID', (_name, pem) => {
    expect(codeOf(pem)).toBe('KEY_INVALID');
  });

  it.each([
    ['RSA of 1024 bits', pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
    [
      'RSA with the exponent 3',
      pemOf(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey),
    ],
    ['RSA-PSS', pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey)],
    ['secp256k1', pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
    ['X25519', pemOf(generateKeyPairSync('x25519').publicKey)],
    ['Ed448', pemOf(generateKeyPairSync('ed448').publicKey)],
  ])('refuses %s as KEY_UNSUPPORTED', (_name, pem) => {
    expect(codeOf(pem)).toBe('KEY_UNSUPPORTED');
  });

  it('refuses an RSA key over 4096 bits', () => {
    const modulus = Buffer.alloc(513, 0xff).toString('base64url');
    const key = createPublicKey({ key: { kty: 'RSA', n: modulus, e: 'AQAB' }, format: 'jwk' });
    expect(codeOf(pemOf(key))).toBe('KEY_UNSUPPORTED');
  });
});
