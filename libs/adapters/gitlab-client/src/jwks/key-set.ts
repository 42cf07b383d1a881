import { createPublicKey, type KeyObject } from 'node:crypto';
import type { IssuerAlgorithm } from '../issuer-keys.ts';

interface PublicKeyEntry {
  readonly kid: string | null;
  readonly algorithm: IssuerAlgorithm;
  readonly key: KeyObject;
}

/** Shorter RSA keys can be broken (NIST SP 800-131A). */
const RSA_BITS_MIN = 2_048;
const KEYS_MAX = 64;

/** The usable signing keys of a JWK set (RFC 7517): RSA for RS256 and EC P-256 for ES256. Others are left out. */
export class KeySet {
  readonly #entries: readonly PublicKeyEntry[];

  private constructor(entries: readonly PublicKeyEntry[]) {
    this.#entries = entries;
  }

  /** @throws SyntaxError when the text is no JSON, TypeError when it is no JWK set with at least one usable key */
  static parse(text: string): KeySet {
    const keys = (JSON.parse(text) as { keys?: unknown } | null)?.keys;
    if (!Array.isArray(keys)) throw new TypeError('no JWK set: it has no list "keys"');
    const entries = keys.slice(0, KEYS_MAX).flatMap((jwk) => toEntry(jwk as Record<string, unknown> | null));
    if (entries.length === 0) throw new TypeError('the JWK set has no RSA or EC P-256 key for signatures');
    return new KeySet(entries);
  }

  /** Without a `kid`, only a key that leaves no choice is meant. */
  find(kid: string | null, algorithm: IssuerAlgorithm): KeyObject | null {
    const fitting = this.#entries.filter((entry) => entry.algorithm === algorithm);
    if (kid !== null) return fitting.find((entry) => entry.kid === kid)?.key ?? null;
    return fitting.length === 1 ? (fitting[0]?.key ?? null) : null;
  }
}

function toEntry(jwk: Record<string, unknown> | null): PublicKeyEntry[] {
  if (typeof jwk !== 'object' || jwk === null) return [];
  const { kty, crv, kid, use, alg } = jwk;
  if (use !== undefined && use !== 'sig') return [];
  const algorithm = kty === 'RSA' ? 'RS256' : kty === 'EC' && crv === 'P-256' ? 'ES256' : null;
  if (algorithm === null || (alg !== undefined && alg !== algorithm)) return [];
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    if (kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS_MIN) return [];
    return [{ kid: typeof kid === 'string' ? kid : null, algorithm, key }];
  } catch {
    // One malformed key does not spoil the others.
    return [];
  }
}
