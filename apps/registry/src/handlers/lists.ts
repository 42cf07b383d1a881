import {
  type Digest,
  isDigest,
  OCI_IMAGE_INDEX,
  OciError,
  parseDigest,
  type RepositoryName,
} from '@sluice/domain/oci';
import { catalogReader, withinScopes } from '../catalog-reader.ts';
import type { Exchange } from '../exchange.ts';
import type { PathOf } from '../routes.ts';

/** Entries of one page; a client that wants more follows the `Link`. */
const PAGE_MAX = 1_000;
/** Clients read a referrers list as they read a manifest. */
const REFERRERS_BYTES_MAX = 4 * 1024 * 1024;

/** distribution-spec, "Listing Tags" (end-8). */
export async function listTags(exchange: Exchange, { repository }: PathOf<'tags'>): Promise<void> {
  const limit = pageSize(exchange);
  const found = await exchange.dependencies.manifests.tags(repository, exchange.parameter('last'), limit + 1);
  const tags = found.slice(0, limit);
  // "n=0" is an empty list and no link.
  if (found.length > limit && limit > 0) linkNext(exchange, { n: String(limit), last: tags.at(-1) ?? '' });
  sendJson(exchange, 'application/json', { name: repository, tags });
}

/** distribution-spec, "Listing Referrers" (end-12). */
export async function listReferrers(
  exchange: Exchange,
  { repository, digest }: PathOf<'referrers'>,
): Promise<void> {
  const subject = parseDigest(digest);
  const artifactType = exchange.parameter('artifactType');
  const after = exchange.parameter('last');
  if (after !== null && !isDigest(after)) parseDigest(after);
  const { referrers, hasMore } = await exchange.dependencies.manifests.referrers(repository, subject, {
    artifactType,
    after,
    limit: Math.max(pageSize(exchange), 1),
  });
  const manifests: object[] = [];
  let last: Digest | null = null;
  let bytes = 0;
  for (const referrer of referrers) {
    const descriptor = {
      mediaType: referrer.mediaType,
      digest: referrer.digest,
      size: referrer.sizeBytes,
      ...(referrer.artifactType === null ? {} : { artifactType: referrer.artifactType }),
      ...(Object.keys(referrer.annotations).length === 0 ? {} : { annotations: referrer.annotations }),
    };
    bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
    if (bytes > REFERRERS_BYTES_MAX && manifests.length > 0) break;
    manifests.push(descriptor);
    last = referrer.digest;
  }
  if (last !== null && (hasMore || manifests.length < referrers.length)) {
    linkNext(exchange, {
      ...(artifactType === null ? {} : { artifactType }),
      ...(exchange.parameter('n') === null ? {} : { n: String(pageSize(exchange)) }),
      last,
    });
  }
  if (artifactType !== null) exchange.reply.header('oci-filters-applied', 'artifactType');
  sendJson(exchange, OCI_IMAGE_INDEX, { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests });
}

/** `_catalog` of `distribution`: what the caller may pull and that has something to pull. */
export async function listRepositories(exchange: Exchange): Promise<void> {
  const limit = pageSize(exchange);
  const found = await repositoriesWithinScopes(exchange, limit + 1);
  const repositories = found.slice(0, limit);
  if (found.length > limit && limit > 0) {
    linkNext(exchange, { n: String(limit), last: repositories.at(-1) ?? '' });
  }
  sendJson(exchange, 'application/json', { repositories });
}

/** What the secret behind the credential does not reach is passed over, so that no page ends with the name of it. */
async function repositoriesWithinScopes(exchange: Exchange, count: number): Promise<RepositoryName[]> {
  const { caller, dependencies } = exchange;
  const reader = catalogReader(caller);
  const within: RepositoryName[] = [];
  let after = exchange.parameter('last');
  for (let limit = count; ; limit = PAGE_MAX) {
    const found = await dependencies.repositories.repositoryNames({ reader, after, limit });
    within.push(...found.filter((name) => withinScopes(caller, name)));
    if (found.length < limit || within.length >= count) return within.slice(0, count);
    after = found.at(-1) ?? null;
  }
}

/** @throws OciError PAGINATION_NUMBER_INVALID */
function pageSize(exchange: Exchange): number {
  const text = exchange.parameter('n');
  if (text === null) return PAGE_MAX;
  if (!/^\d{1,9}$/.test(text)) {
    throw new OciError(
      'PAGINATION_NUMBER_INVALID',
      `n "${text.slice(0, 40)}" is not a whole number, 0 or more`,
    );
  }
  return Math.min(Number(text), PAGE_MAX);
}

/** RFC 8288 */
function linkNext(exchange: Exchange, parameters: Record<string, string>): void {
  const [path] = (exchange.request.raw.url ?? '').split('?');
  exchange.reply.header('link', `<${path}?${new URLSearchParams(parameters).toString()}>; rel="next"`);
}

/** As a buffer: to text Fastify adds a charset, and clients compare the type exactly. */
function sendJson({ reply }: Exchange, type: string, value: object): void {
  reply.header('content-type', type).send(Buffer.from(JSON.stringify(value)));
}
