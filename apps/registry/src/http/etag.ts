import type { Digest } from '@sluice/domain/oci';

export function etag(digest: Digest): string {
  return `"${digest}"`;
}

/** RFC 9110, 13.1.2: `*`, or a list of tags of which one is ours, weak or not. */
export function isUnchanged(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false;
  const own = etag(digest);
  return ifNoneMatch
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''))
    .some((tag) => tag === '*' || tag === own);
}
