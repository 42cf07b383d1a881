import { MANIFEST_SIZE_MAX } from '@sluice/domain/oci';
import { DEFAULT_PACE } from '../dependencies.ts';
import type { Exchange } from '../exchange.ts';
import { etag, isUnchanged } from '../http/etag.ts';
import { readBody } from '../http/request-body.ts';
import { warningHeader } from '../http/warning.ts';
import type { PathOf } from '../routes.ts';

type ManifestPath = PathOf<'manifest'>;

/** distribution-spec, "Pulling manifests" (end-3). */
export async function getManifest(
  exchange: Exchange,
  { repository, reference }: ManifestPath,
): Promise<void> {
  const { reply, dependencies } = exchange;
  const manifest = await dependencies.manifests.get(repository, reference, exchange.pullOf(repository));
  const headers: Record<string, string> = {
    'content-type': manifest.mediaType,
    'docker-content-digest': manifest.digest,
    etag: etag(manifest.digest),
  };
  if (manifest.warning !== null) headers['warning'] = warningHeader(manifest.warning);
  reply.headers(headers);
  if (isUnchanged(exchange.request.headers['if-none-match'], manifest.digest)) {
    reply.code(304).send();
    return;
  }
  reply.send(manifest.content);
}

export async function headManifest(
  exchange: Exchange,
  { repository, reference }: ManifestPath,
): Promise<void> {
  const { reply, dependencies } = exchange;
  const manifest = await dependencies.manifests.head(repository, reference, exchange.pullOf(repository));
  if (manifest.warning !== null) reply.header('warning', warningHeader(manifest.warning));
  reply.headers({
    'content-type': manifest.mediaType,
    'content-length': manifest.sizeBytes,
    'docker-content-digest': manifest.digest,
    etag: etag(manifest.digest),
  });
  reply.code(isUnchanged(exchange.request.headers['if-none-match'], manifest.digest) ? 304 : 200).send();
}

/** distribution-spec, "Pushing Manifests" (end-7a, end-7b). */
export async function putManifest(
  exchange: Exchange,
  { repository, reference }: ManifestPath,
): Promise<void> {
  const { request, reply, dependencies, caller } = exchange;
  const content = await readBody(request.raw, MANIFEST_SIZE_MAX, dependencies.pace ?? DEFAULT_PACE);
  await exchange.assertMayStillPush(repository);
  const tags = exchange.query.getAll('tag');
  const contentType = request.headers['content-type'] ?? null;
  const pushed = await dependencies.manifests.put(repository, reference, tags, content, contentType, caller);
  reply.headers({
    location: `/v2/${repository}/manifests/${pushed.digest}`,
    'docker-content-digest': pushed.digest,
  });
  // Says that the referrers API knows the manifest, so that the client need not write a fallback tag.
  if (pushed.subject !== null) reply.header('oci-subject', pushed.subject);
  if (tags.length > 0) reply.header('oci-tag', tags.join(', '));
  reply.code(201).send();
}

/** distribution-spec, "Deleting tags", "Deleting Manifests" (end-9). */
export async function deleteManifest(
  { reply, dependencies }: Exchange,
  { repository, reference }: ManifestPath,
): Promise<void> {
  await dependencies.manifests.delete(repository, reference);
  reply.code(202).send();
}
