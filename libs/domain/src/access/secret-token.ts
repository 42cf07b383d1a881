import { AccessError } from './errors.ts';

/**
 * Secrets that Sluice gives out: `slc_<kind>_` + 43 base62 digits (32 random bytes) + 6 base62 digits (CRC-32 of what
 * stands before). Prefix and checksum let secret scanners find them without false alarms, and let us refuse a
 * mistyped one without asking the database.
 */
export const SECRET_PREFIXES = { pat: 'slc_pat_', robot: 'slc_rob_', refresh: 'slc_ref_' } as const;
export type SecretKind = keyof typeof SECRET_PREFIXES;

export const SECRET_RANDOM_BYTES = 32;
const RANDOM_DIGITS = 43;
const CHECKSUM_DIGITS = 6;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^slc_(pat|rob|ref)_[0-9A-Za-z]{49}$/;

/**
 * Writes a secret.
 *
 * @param random exactly 32 bytes from a cryptographic source
 */
export function formatSecretToken(kind: SecretKind, random: Uint8Array): string {
  if (random.length !== SECRET_RANDOM_BYTES)
    throw new RangeError(`a secret needs ${SECRET_RANDOM_BYTES} random bytes`);
  const body = `${SECRET_PREFIXES[kind]}${base62(random, RANDOM_DIGITS)}`;
  return body + checksum(body);
}

/** True for anything that begins like one of our secrets, so that it is never tried as a password. */
export function looksLikeSecretToken(text: string): boolean {
  return text.startsWith('slc_');
}

/**
 * The kind of a well-formed secret.
 *
 * @throws AccessError credentials-invalid when the shape or the checksum is wrong, which means a typing or copying fault
 */
export function parseSecretToken(text: string): SecretKind {
  const body = text.slice(0, -CHECKSUM_DIGITS);
  if (!SHAPE.test(text) || checksum(body) !== text.slice(-CHECKSUM_DIGITS)) {
    throw new AccessError('credentials-invalid', 'the token is not complete: its checksum does not match');
  }
  const kinds: readonly SecretKind[] = ['pat', 'robot', 'refresh'];
  const kind = kinds.find((each) => text.startsWith(SECRET_PREFIXES[each]));
  if (kind === undefined) throw new AccessError('credentials-invalid', 'unknown kind of token');
  return kind;
}

function checksum(text: string): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc32(new TextEncoder().encode(text)));
  return base62(bytes, CHECKSUM_DIGITS);
}

function base62(bytes: Uint8Array, digits: number): string {
  let value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let text = '';
  for (let index = 0; index < digits; index++) {
    text = (ALPHABET[Number(value % 62n)] ?? '') + text;
    value /= 62n;
  }
  return text;
}

/** CRC-32 as in ISO 3309 (polynomial 0xEDB88320, reflected). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
