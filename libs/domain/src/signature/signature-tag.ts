import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/digest.ts';
import type { Tag } from '../oci/names.ts';
import { SignatureRejected } from './errors.ts';

/**
 * The tag under which cosign's legacy form keeps the signatures of a digest: `sha256-<hex>.sig`.
 *
 * @throws SignatureRejected limit for sha512, whose tag would be longer than a tag may be
 */
export function formatSignatureTag(digest: Digest): Tag {
  if (digestAlgorithm(digest) !== 'sha256') {
    throw new SignatureRejected(
      'limit',
      `the legacy form cannot sign ${digestAlgorithm(digest)} digests: its tag would exceed 128 characters`,
    );
  }
  return `sha256-${digestHex(digest)}.sig` as Tag;
}

/** The digest whose signatures the tag holds; null for every other tag. */
export function parseSignatureTag(tag: string): Digest | null {
  const hex = /^sha256-([0-9a-f]{64})\.sig$/.exec(tag)?.[1];
  const digest = `sha256:${hex ?? ''}`;
  return isDigest(digest) ? digest : null;
}
