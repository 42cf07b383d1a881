import { parseDigest } from '@sluice/domain/oci';
import { DEFAULT_UNREAD_MS } from '../dependencies.ts';
import type { Exchange } from '../exchange.ts';
import { sendBlob } from '../http/blob-reply.ts';
import { warningHeader } from '../http/warning.ts';
import type { PathOf } from '../routes.ts';

type BlobPath = PathOf<'blob'>;

/** distribution-spec, "Pulling blobs" (end-2). */
export async function getBlob(exchange: Exchange, { repository, digest }: BlobPath): Promise<void> {
  const { request, reply, dependencies } = exchange;
  const blob = await dependencies.blobs.get(repository, parseDigest(digest), exchange.pullOf(repository));
  await sendBlob(request, reply, blob, dependencies.unreadMs ?? DEFAULT_UNREAD_MS);
}

export async function headBlob(exchange: Exchange, { repository, digest }: BlobPath): Promise<void> {
  const { reply, dependencies } = exchange;
  const blob = await dependencies.blobs.head(repository, parseDigest(digest), exchange.pullOf(repository));
  if (blob.warning !== null) reply.header('warning', warningHeader(blob.warning));
  reply.headers({
    'content-type': 'application/octet-stream',
    'content-length': blob.sizeBytes,
    'docker-content-digest': blob.digest,
    'accept-ranges': 'bytes',
  });
  reply.send();
}

/** distribution-spec, "Deleting Blobs" (end-10). */
export async function deleteBlob(
  { reply, dependencies }: Exchange,
  { repository, digest }: BlobPath,
): Promise<void> {
  await dependencies.blobs.delete(repository, parseDigest(digest));
  reply.code(202).send();
}
