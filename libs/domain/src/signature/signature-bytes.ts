import { type KeyObject, sign, verify } from 'node:crypto';
import { ed25519ph } from '@noble/curves/ed25519.js';
import type { KeyAlgorithm, PublicKey } from './public-key.ts';

/**
 * The hashes under which a signature of each kind of key is accepted, the usual one first.
 *
 * cosign signs with the hash of the curve's size since 3.1 and verifies with SHA-256 unless told otherwise, so both
 * are in the field for P-384 and P-521. RSA is PKCS #1 v1.5 with SHA-256 whatever the length.
 */
const HASHES: Readonly<Record<Exclude<KeyAlgorithm, 'ed25519'>, readonly string[]>> = {
  'ecdsa-p256': ['sha256'],
  'ecdsa-p384': ['sha384', 'sha256'],
  'ecdsa-p521': ['sha512', 'sha256'],
  rsa: ['sha256'],
};

/** Whether `signature` is one of `message` by `key`. Never throws: bytes that are no signature at all are false. */
export function verifyBytes(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.algorithm === 'ed25519') {
    return (
      attempt(() => verify(null, message, key.key, signature)) ||
      attempt(() => ed25519ph.verify(signature, message, rawEd25519(key.key)))
    );
  }
  return HASHES[key.algorithm].some((hash) => attempt(() => verify(hash, message, key.key, signature)));
}

/** Signs so that `cosign verify --key` accepts it with no further option: SHA-256, or plain Ed25519. */
export function signBytes(algorithm: KeyAlgorithm, privateKey: KeyObject, message: Uint8Array): Buffer {
  return sign(algorithm === 'ed25519' ? null : 'sha256', message, privateKey);
}

/** cosign 3.1 signs with the pre-hashed form (RFC 8032, 5.1: Ed25519ph), which OpenSSL's one-shot interface cannot check. */
function rawEd25519(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
}

function attempt(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
