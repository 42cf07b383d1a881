import { type KeyObject, createPrivateKey, createPublicKey, scrypt } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { KeyError } from './errors.ts';
import { decodeBase64 } from './json-shape.ts';
import { LIMITS } from './limits.ts';
import { type PublicKey, toPublicKey } from './public-key.ts';
import { signBytes } from './signature-bytes.ts';

/** A private key in memory. It signs, and gives nothing else away. */
export interface SigningKey {
  readonly publicKey: PublicKey;
  /** A signature over the message in the form that {@link PublicKey} of the same pair verifies. */
  sign(message: Uint8Array): Buffer;
}

/** The random bytes of a key file; the caller draws them (32 and 24 bytes). */
export interface KeyFileRandomness {
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
}

interface Sealed {
  readonly cost: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

const SALT_BYTES = 32;
const NONCE_BYTES = 24;
const KEY_BYTES = 32;
const R = 8;
const P = 1;
/** What cosign writes now, what it wrote before 1.13, and what the OWASP form of the same library writes. */
const COSTS = [65_536, 32_768, 131_072];
const WRITE_COST = 65_536;
const WRITE_LABEL = 'ENCRYPTED SIGSTORE PRIVATE KEY';
const READ_LABELS = [WRITE_LABEL, 'ENCRYPTED COSIGN PRIVATE KEY'];

/**
 * Opens a private key file as `cosign generate-key-pair` and `cosign import-key-pair` write it: a PEM block of JSON
 * that names scrypt parameters and holds a PKCS #8 key in a NaCl secretbox.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_FILE_UNSUPPORTED, KEY_FILE_PASSWORD, KEY_UNSUPPORTED
 */
export async function openKeyFile(text: string, password: string): Promise<SigningKey> {
  const sealed = parseKeyFile(text);
  const secret = await deriveKey(password, sealed.salt, sealed.cost);
  let pkcs8: Uint8Array;
  try {
    pkcs8 = xsalsa20poly1305(secret, sealed.nonce).decrypt(sealed.ciphertext);
  } catch (cause) {
    throw new KeyError('KEY_FILE_PASSWORD', 'the password does not open this key file', { cause });
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new KeyError(
      'KEY_FILE_INVALID',
      'the key file opens, but what it holds is no PKCS #8 private key',
      {
        cause,
      },
    );
  } finally {
    pkcs8.fill(0);
    secret.fill(0);
  }
  return toSigningKey(key);
}

/** Seals a private key into a file that cosign opens with the same password. @throws KeyError KEY_UNSUPPORTED */
export async function sealKeyFile(
  privateKey: KeyObject,
  password: string,
  randomness: KeyFileRandomness,
): Promise<string> {
  toSigningKey(privateKey);
  if (randomness.salt.byteLength !== SALT_BYTES || randomness.nonce.byteLength !== NONCE_BYTES)
    throw new RangeError(`a key file needs ${SALT_BYTES} bytes of salt and ${NONCE_BYTES} of nonce`);
  const secret = await deriveKey(password, randomness.salt, WRITE_COST);
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const ciphertext = xsalsa20poly1305(secret, randomness.nonce).encrypt(pkcs8);
  pkcs8.fill(0);
  secret.fill(0);
  const document = {
    kdf: {
      name: 'scrypt',
      params: { N: WRITE_COST, r: R, p: P },
      salt: Buffer.from(randomness.salt).toString('base64'),
    },
    cipher: { name: 'nacl/secretbox', nonce: Buffer.from(randomness.nonce).toString('base64') },
    ciphertext: Buffer.from(ciphertext).toString('base64'),
  };
  const body = Buffer.from(JSON.stringify(document))
    .toString('base64')
    .replaceAll(/.{1,64}/g, '$&\n');
  return `-----BEGIN ${WRITE_LABEL}-----\n${body}-----END ${WRITE_LABEL}-----\n`;
}

function toSigningKey(key: KeyObject): SigningKey {
  const publicKey = toPublicKey(createPublicKey(key));
  return { publicKey, sign: (message) => signBytes(publicKey.algorithm, key, message) };
}

function parseKeyFile(text: string): Sealed {
  const document = readObject(decodePem(text));
  const kdf = readObject(document['kdf']);
  const parameters = readObject(kdf['params']);
  const cipher = readObject(document['cipher']);
  const cost = parameters['N'];
  // Other parameters are refused rather than tried: they say how much memory and time opening the file takes.
  if (
    kdf['name'] !== 'scrypt' ||
    cipher['name'] !== 'nacl/secretbox' ||
    typeof cost !== 'number' ||
    !COSTS.includes(cost) ||
    parameters['r'] !== R ||
    parameters['p'] !== P
  ) {
    throw new KeyError(
      'KEY_FILE_UNSUPPORTED',
      `this key file is not sealed with scrypt (N one of ${COSTS.join(', ')}, r ${R}, p ${P}) and nacl/secretbox`,
    );
  }
  return {
    cost,
    salt: readBytes(kdf['salt'], SALT_BYTES),
    nonce: readBytes(cipher['nonce'], NONCE_BYTES),
    ciphertext: readBytes(document['ciphertext']),
  };
}

function decodePem(text: string): unknown {
  const trimmed = text.trim();
  const match = /^-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----$/.exec(
    trimmed.length > LIMITS.keyBytes ? '' : trimmed,
  );
  if (match === null) throw invalid('it is not exactly one PEM block');
  const [, label = '', body = ''] = match;
  if (label === 'PRIVATE KEY' || label === 'EC PRIVATE KEY' || label === 'RSA PRIVATE KEY') {
    throw new KeyError(
      'KEY_FILE_UNSUPPORTED',
      'this private key is not encrypted: convert it with "cosign import-key-pair"',
    );
  }
  if (!READ_LABELS.includes(label)) {
    throw new KeyError(
      'KEY_FILE_UNSUPPORTED',
      `a PEM block "${label}": expected "${READ_LABELS.join('" or "')}"`,
    );
  }
  try {
    return JSON.parse(Buffer.from(body, 'base64').toString('utf8'));
  } catch (cause) {
    throw invalid('its block does not hold JSON', cause);
  }
}

function readObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('an object is missing in its JSON');
  return value as Record<string, unknown>;
}

function readBytes(value: unknown, length?: number): Uint8Array {
  const bytes = typeof value === 'string' ? decodeBase64(value) : null;
  if (bytes === null || (length !== undefined && bytes.byteLength !== length))
    throw invalid('salt, nonce or ciphertext is not base64 of the right length');
  return bytes;
}

function invalid(reason: string, cause?: unknown): KeyError {
  return new KeyError('KEY_FILE_INVALID', `this is no key file of cosign: ${reason}`, { cause });
}

/** scrypt takes 128 * N * r bytes; the limit leaves room for the bookkeeping of OpenSSL. */
function deriveKey(password: string, salt: Uint8Array, cost: number): Promise<Buffer> {
  const options = { N: cost, r: R, p: P, maxmem: 2 * 128 * cost * R };
  return new Promise((resolve, reject) => {
    scrypt(Buffer.from(password, 'utf8'), salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
