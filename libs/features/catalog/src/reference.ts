import {
  type Digest,
  OciError,
  parseDigest,
  parseRepositoryName,
  parseTag,
  type RepositoryName,
  type Tag,
} from '@sluice/domain/oci';
import { CatalogError } from './errors.ts';

/** What a reference names here: a digest wins over a tag, as it does for every client. */
export interface LocalReference {
  readonly repository: RepositoryName;
  readonly named: { readonly tag: Tag } | { readonly digest: Digest };
}

const REFERENCE_MAX = 512;
const FORM = 'expected [host/]repository[:tag|@digest]';

/**
 * Parses a reference to an artifact of this registry, `[host/]repository[:tag][@digest]`; without tag and digest it
 * means `latest`.
 *
 * A host may stand before it only when it is one of ours: an answer about another registry's image would be about
 * the wrong one. A first component with a dot can also belong to the name of a repository, and is taken so when it
 * is none of ours.
 *
 * @param hosts names of this registry with their port, in lower case
 * @throws CatalogError reference-invalid, other-registry
 */
export function parseLocalReference(text: string, hosts: readonly string[]): LocalReference {
  if (text.length > REFERENCE_MAX) {
    throw new CatalogError(
      'reference-invalid',
      `the reference has ${text.length} characters: at most ${REFERENCE_MAX} are allowed`,
    );
  }
  const local = withoutHost(text, hosts);
  const [named = '', digest, ...more] = local.split('@');
  if (more.length > 0) throw invalid(text, 'more than one "@"');
  const colon = named.lastIndexOf(':');
  const name = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  try {
    const repository = parseRepositoryName(name);
    const parsedTag = tag === undefined ? undefined : parseTag(tag);
    if (digest !== undefined) return { repository, named: { digest: parseDigest(digest) } };
    return { repository, named: { tag: parsedTag ?? parseTag('latest') } };
  } catch (error) {
    if (error instanceof OciError) throw invalid(text, error.message, error);
    throw error;
  }
}

function withoutHost(text: string, hosts: readonly string[]): string {
  const slash = text.indexOf('/');
  if (slash === -1) return text;
  const first = text.slice(0, slash).toLowerCase();
  if (hosts.includes(first)) return text.slice(slash + 1);
  // A colon before the first slash is a port: no component of a name has one.
  if (first.includes(':') || first === 'localhost') {
    throw new CatalogError(
      'other-registry',
      `"${first.slice(0, 160)}" is another registry: this one is ${hosts.join(' or ') || 'not known by a name'}`,
    );
  }
  return text;
}

function invalid(text: string, reason: string, cause?: unknown): CatalogError {
  return new CatalogError(
    'reference-invalid',
    `invalid reference "${text.slice(0, 160)}": ${reason}; ${FORM}`,
    {
      cause,
    },
  );
}
