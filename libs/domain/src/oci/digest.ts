import { OciError } from './errors.ts';

declare const digestBrand: unique symbol;

/** A parsed content digest, `<algorithm>:<hex>`, e.g. `sha256:44136f…`. Only {@link parseDigest} makes one. */
export type Digest = string & { readonly [digestBrand]: true };

export type DigestAlgorithm = 'sha256' | 'sha512';

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 };

/** Digest of the two bytes `{}`, the config of artifacts that have none (image-spec, "empty descriptor"). */
export const EMPTY_JSON_DIGEST =
  'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' as Digest;

/**
 * Parses a digest of a registered algorithm (sha256, sha512).
 *
 * @throws OciError DIGEST_INVALID when the grammar, the algorithm or the length is wrong. Hex must be lower case
 * (image-spec, "Registered Algorithms").
 */
export function parseDigest(text: string): Digest {
  const separator = text.indexOf(':');
  const algorithm = text.slice(0, separator);
  if (!isDigestAlgorithm(algorithm)) {
    throw new OciError(
      'DIGEST_INVALID',
      `invalid digest "${clip(text)}": expected sha256:<64 hex> or sha512:<128 hex>`,
    );
  }
  const hex = text.slice(separator + 1);
  if (hex.length !== HEX_LENGTH[algorithm] || !/^[0-9a-f]+$/.test(hex)) {
    throw new OciError(
      'DIGEST_INVALID',
      `invalid digest "${clip(text)}": ${algorithm} needs ${HEX_LENGTH[algorithm]} lower-case hex digits`,
    );
  }
  return text as Digest;
}

export function isDigest(text: string): text is Digest {
  return /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512';
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

function clip(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
