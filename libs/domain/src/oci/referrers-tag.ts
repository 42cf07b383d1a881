import { type Digest, digestAlgorithm, digestHex } from './digest.ts';

/**
 * The tag that stands in for the referrers API (distribution-spec, "Referrers Tag Schema"): at most 32 characters of
 * the algorithm and 64 of the hex.
 */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`;
}
