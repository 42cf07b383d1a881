import { type Digest, parseDigest } from './digest.ts';
import { OciError } from './errors.ts';
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from './names.ts';

/** What a path below `/v2` addresses. References and sessions are still as the client wrote them. */
export type DistributionPath =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: RepositoryName; readonly digest: string }
  | { readonly kind: 'uploads'; readonly repository: RepositoryName }
  | { readonly kind: 'upload'; readonly repository: RepositoryName; readonly session: string }
  | { readonly kind: 'tags'; readonly repository: RepositoryName }
  | { readonly kind: 'referrers'; readonly repository: RepositoryName; readonly digest: string };

/** A tag or a digest (distribution-spec, "Definitions"). */
export type Reference =
  { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest };

/**
 * Parses the path of a request to the data plane, `/v2/<name>/manifests/<reference>` and the like.
 *
 * The endpoint is told by the last components alone, because a repository may be called `a/manifests/b` or
 * `blobs/uploads`. Of percent-encodings only `%3A` (the colon of a digest) is decoded, and only in the last
 * component: nothing else needs one, and a decoded slash would move the end of the name.
 *
 * @param path the raw path, without query
 * @returns null when no endpoint has that form
 * @throws OciError NAME_INVALID when the form fits and the name does not
 */
export function parseDistributionPath(path: string): DistributionPath | null {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  if (!path.startsWith('/v2/')) return null;

  const lastSlash = path.lastIndexOf('/');
  const last = path.slice(lastSlash + 1);
  const beforeLast = path.slice(0, lastSlash);
  const markerSlash = beforeLast.lastIndexOf('/');
  const marker = beforeLast.slice(markerSlash + 1);
  const head = path.slice(0, markerSlash);

  // `…/blobs/uploads/` and `…/blobs/uploads/<session>`; the name ends before "/blobs".
  if (marker === 'uploads' && head.endsWith('/blobs')) {
    const repository = nameOf(head.slice(0, -'/blobs'.length));
    return last === ''
      ? { kind: 'uploads', repository }
      : { kind: 'upload', repository, session: decodeColon(last) };
  }
  switch (marker) {
    case 'manifests':
      return { kind: 'manifest', repository: nameOf(head), reference: decodeColon(last) };
    case 'blobs':
      // Written without the slash at its end, which clients leave out.
      if (last === 'uploads') return { kind: 'uploads', repository: nameOf(head) };
      return { kind: 'blob', repository: nameOf(head), digest: decodeColon(last) };
    case 'referrers':
      return { kind: 'referrers', repository: nameOf(head), digest: decodeColon(last) };
    case 'tags':
      return last === 'list' ? { kind: 'tags', repository: nameOf(head) } : null;
    default:
      return null;
  }
}

/**
 * Tells a tag from a digest. Only a digest may hold a colon.
 *
 * @throws OciError TAG_INVALID, DIGEST_INVALID
 */
export function parseReference(text: string): Reference {
  return text.includes(':')
    ? { kind: 'digest', digest: parseDigest(text) }
    : { kind: 'tag', tag: parseTag(text) };
}

/** @param prefix `/v2/<name>` */
function nameOf(prefix: string): RepositoryName {
  if (prefix.length <= '/v2/'.length) throw new OciError('NAME_INVALID', 'the repository name is empty');
  return parseRepositoryName(prefix.slice('/v2/'.length));
}

function decodeColon(text: string): string {
  return text.includes('%') ? text.replace(/%3a/gi, ':') : text;
}
