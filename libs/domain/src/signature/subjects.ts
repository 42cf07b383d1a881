import { type Digest, isDigest } from '../oci/digest.ts';
import { parseSignatureTag } from './signature-tag.ts';

/** What of a push or deletion tells whose signatures may have changed. */
export interface ContentChange {
  readonly digest: string;
  readonly subjectDigest: string | null;
  /** What was pushed: image, index, signature, attestation, artifact. Absent for a deletion. */
  readonly kind?: string;
  /** The tags that were set by the push. */
  readonly tags?: readonly string[];
}

const CARRIERS = ['signature', 'attestation'];

/**
 * The digests whose signatures must be looked at again, each once:
 * - a `sha256-<hex>.sig` tag: the digest in the tag;
 * - a manifest with a subject: its subject;
 * - everything that is pushed and is not itself a signature or attestation: itself, because its signatures may have
 *   arrived before it.
 */
export function subjectsToVerify(change: ContentChange): readonly Digest[] {
  const subjects = new Set<Digest>();
  for (const tag of change.tags ?? []) {
    const digest = parseSignatureTag(tag);
    if (digest !== null) subjects.add(digest);
  }
  if (change.subjectDigest !== null && isDigest(change.subjectDigest)) subjects.add(change.subjectDigest);
  const isSignable = change.kind !== undefined && !CARRIERS.includes(change.kind);
  if (isSignable && isDigest(change.digest)) subjects.add(change.digest);
  return [...subjects];
}
