import { type KeyObject, createHash, createPublicKey } from 'node:crypto';
import { KeyError } from './errors.ts';
import { LIMITS } from './limits.ts';

export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'rsa' | 'ed25519';

/** A public key that may verify signatures, in its one canonical encoding. */
export interface PublicKey {
  /** Hex SHA-256 of the SubjectPublicKeyInfo in DER. */
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  /** `-----BEGIN PUBLIC KEY-----`, re-encoded: two spellings of one key are equal here. */
  readonly pem: string;
  readonly key: KeyObject;
}

const ALLOWED = 'ECDSA P-256, P-384 or P-521, RSA of 2048 to 4096 bits, or Ed25519';
const PEM_BLOCK = /^-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----$/;
const CURVES: Readonly<Record<string, KeyAlgorithm>> = {
  prime256v1: 'ecdsa-p256',
  secp384r1: 'ecdsa-p384',
  secp521r1: 'ecdsa-p521',
};

/**
 * Parses one PEM public key (`BEGIN PUBLIC KEY`, RFC 7468 section 13).
 *
 * @throws KeyError KEY_IS_PRIVATE, KEY_INVALID or KEY_UNSUPPORTED
 */
export function parsePublicKey(pem: string): PublicKey {
  const text = pem.trim();
  if (text.length > LIMITS.keyBytes)
    throw new KeyError('KEY_INVALID', `a public key has at most ${LIMITS.keyBytes} characters`);
  if (/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/.test(text)) {
    throw new KeyError(
      'KEY_IS_PRIVATE',
      'this is a private key: give the public key ("BEGIN PUBLIC KEY") and keep this one secret',
    );
  }
  const label = PEM_BLOCK.exec(text)?.[1];
  if (label !== 'PUBLIC KEY') {
    const found = label === undefined ? 'not exactly one PEM block' : `a PEM block "${label}"`;
    throw new KeyError('KEY_INVALID', `this is ${found}: expected one "-----BEGIN PUBLIC KEY-----" block`);
  }
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (cause) {
    throw new KeyError('KEY_INVALID', `this PEM block holds no usable public key: allowed are ${ALLOWED}`, {
      cause,
    });
  }
  return toPublicKey(key);
}

/** Checks that the key is of an allowed kind and brings it into its canonical encoding. @throws KeyError KEY_UNSUPPORTED */
export function toPublicKey(key: KeyObject): PublicKey {
  const algorithm = keyAlgorithm(key);
  // JWK has one spelling only: explicit curve parameters and compressed points of the SPKI do not survive.
  const canonical = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
  const spki = canonical.export({ type: 'spki', format: 'der' });
  return {
    keyId: createHash('sha256').update(spki).digest('hex'),
    algorithm,
    pem: canonical.export({ type: 'spki', format: 'pem' }).toString(),
    key: canonical,
  };
}

/** The hint that cosign puts into bundles: base64 of the SHA-256 of the SPKI. */
export function keyHint(key: PublicKey): string {
  return Buffer.from(key.keyId, 'hex').toString('base64');
}

function keyAlgorithm(key: KeyObject): KeyAlgorithm {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const algorithm = CURVES[details.namedCurve ?? ''];
      if (algorithm !== undefined) return algorithm;
      throw unsupported(`an ECDSA key on the curve ${details.namedCurve ?? 'without a name'}`);
    }
    case 'rsa': {
      const bits = details.modulusLength ?? 0;
      if (bits < 2048 || bits > 4096) throw unsupported(`an RSA key of ${bits} bits`);
      if ((details.publicExponent ?? 0n) < 65537n)
        throw unsupported(`an RSA key with the public exponent ${details.publicExponent ?? 0n}`);
      return 'rsa';
    }
    case 'ed25519':
      return 'ed25519';
    default:
      throw unsupported(`a key of the kind ${key.asymmetricKeyType ?? 'unknown'}`);
  }
}

function unsupported(found: string): KeyError {
  return new KeyError('KEY_UNSUPPORTED', `this is ${found}: allowed are ${ALLOWED}`);
}
