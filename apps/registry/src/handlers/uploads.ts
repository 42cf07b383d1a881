import { type Chunk, principalIdOf, type UploadStatus } from '@sluice/distribution';
import {
  type Digest,
  type DigestAlgorithm,
  isDigestAlgorithm,
  isRepositoryName,
  OciError,
  parseContentRange,
  parseDigest,
  type RepositoryName,
} from '@sluice/domain/oci';
import type { FastifyReply } from 'fastify';
import { catalogReader, withinScopes } from '../catalog-reader.ts';
import { DEFAULT_PACE } from '../dependencies.ts';
import { behindToken, type Exchange } from '../exchange.ts';
import { uploadRange } from '../http/error-table.ts';
import { contentLength, hasBody, pacedBody } from '../http/request-body.ts';
import type { PathOf } from '../routes.ts';

/** Repositories that are looked at for one that the caller may take a blob from. */
const MOUNT_CANDIDATES_MAX = 20;

/** distribution-spec, "Pushing blobs" and "Mounting a blob from another repository" (end-4a, 4b, 4c, end-11). */
export async function startUpload(exchange: Exchange, { repository }: PathOf<'uploads'>): Promise<void> {
  const { reply, dependencies } = exchange;
  const { uploads } = dependencies;
  const principalId = principalIdOf(exchange.caller);
  const mount = exchange.parameter('mount');
  if (mount !== null && (await mountBlob(exchange, repository, parseDigest(mount)))) return;
  const digestText = exchange.parameter('digest');
  if (digestText !== null) {
    const digest = parseDigest(digestText);
    await uploads.push(repository, principalId, digest, chunkOf(exchange, repository));
    created(reply, repository, digest);
    return;
  }
  const status = await uploads.start(repository, principalId, algorithmOf(exchange));
  if (uploads.chunkMinBytes !== null) reply.header('oci-chunk-min-length', uploads.chunkMinBytes);
  progress(reply, repository, status).code(202).send();
}

/** distribution-spec, "Pushing a blob in chunks" (end-5). */
export async function appendToUpload(
  exchange: Exchange,
  { repository, session }: PathOf<'upload'>,
): Promise<void> {
  const status = await exchange.dependencies.uploads.append(
    repository,
    session,
    chunkOf(exchange, repository),
  );
  progress(exchange.reply, repository, status).code(202).send();
}

/** distribution-spec, "Pushing a blob monolithically" and the end of the other forms (end-6). */
export async function finishUpload(
  exchange: Exchange,
  { repository, session }: PathOf<'upload'>,
): Promise<void> {
  const { request, reply, dependencies } = exchange;
  const digestText = exchange.parameter('digest');
  if (digestText === null) {
    throw new OciError(
      'DIGEST_INVALID',
      'the query parameter digest is missing: the upload cannot be checked',
    );
  }
  const digest = parseDigest(digestText);
  const chunk = hasBody(request.raw) ? chunkOf(exchange, repository) : null;
  await dependencies.uploads.finish(repository, session, digest, chunk);
  created(reply, repository, digest);
}

/** Where to go on (end-13). */
export async function getUpload(
  { reply, dependencies }: Exchange,
  { repository, session }: PathOf<'upload'>,
): Promise<void> {
  const status = await dependencies.uploads.status(repository, session);
  progress(reply, repository, status).code(204).send();
}

/** end-14 */
export async function cancelUpload(
  { reply, dependencies }: Exchange,
  { repository, session }: PathOf<'upload'>,
): Promise<void> {
  await dependencies.uploads.cancel(repository, session);
  reply.code(204).send();
}

async function mountBlob(exchange: Exchange, repository: RepositoryName, digest: Digest): Promise<boolean> {
  const from = exchange.parameter('from');
  // What cannot be a repository is as good as one that does not have the blob.
  if (from !== null && !isRepositoryName(from)) return false;
  const mounted = await exchange.dependencies.blobs.mount(
    repository,
    digest,
    from === null ? await mountCandidates(exchange, repository, digest) : [from],
    (candidate) => mayTakeFrom(exchange, candidate),
    exchange.pullOf(repository),
  );
  if (mounted) created(exchange.reply, repository, digest);
  return mounted;
}

/**
 * Where the caller's principal could have pulled the blob. What others have is left out by the same statement, which
 * takes as long whether or not they have it.
 */
async function mountCandidates(
  { caller, dependencies }: Exchange,
  repository: RepositoryName,
  digest: Digest,
): Promise<RepositoryName[]> {
  const found = await dependencies.repositories.repositoryNames({
    reader: catalogReader(caller),
    blob: digest,
    after: null,
    limit: MOUNT_CANDIDATES_MAX,
  });
  return [repository, ...found.filter((name) => name !== repository && withinScopes(caller, name))];
}

/**
 * Whether the caller's principal may pull from a repository, whatever its token was asked for: a client that names no
 * repository has a token for none, and others ask for one scope too few (the conformance suite among them).
 */
async function mayTakeFrom({ caller, dependencies }: Exchange, repository: RepositoryName): Promise<boolean> {
  const { actions } = await dependencies.access.repositoryRights(behindToken(caller), repository, ['pull']);
  return actions.includes('pull');
}

function chunkOf(exchange: Exchange, repository: RepositoryName): Chunk {
  const { request, dependencies } = exchange;
  const range = request.headers['content-range'];
  return {
    body: pacedBody(request.raw, dependencies.pace ?? DEFAULT_PACE),
    range: range === undefined ? null : parseContentRange(range),
    lengthBytes: contentLength(request.raw),
    assertAllowed: () => exchange.assertMayStillPush(repository),
  };
}

function algorithmOf(exchange: Exchange): DigestAlgorithm {
  const text = exchange.parameter('digest-algorithm') ?? 'sha256';
  if (!isDigestAlgorithm(text)) {
    throw new OciError(
      'DIGEST_INVALID',
      `digest-algorithm "${text.slice(0, 80)}" is not supported: sha256, sha512`,
    );
  }
  return text;
}

function created(reply: FastifyReply, repository: RepositoryName, digest: Digest): void {
  reply
    .headers({ location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
    .code(201)
    .send();
}

/** The location is a path, so that it holds behind any proxy, and any earlier one of the upload stays good. */
function progress(reply: FastifyReply, repository: RepositoryName, status: UploadStatus): FastifyReply {
  return reply.headers({
    location: `/v2/${repository}/blobs/uploads/${status.id}`,
    range: uploadRange(status.offsetBytes),
    'docker-upload-uuid': status.id,
  });
}
