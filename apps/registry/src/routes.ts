import type { RepositoryAction } from '@sluice/domain/access';
import type { DistributionPath } from '@sluice/domain/oci';
import type { Exchange } from './exchange.ts';
import { deleteBlob, getBlob, headBlob } from './handlers/blobs.ts';
import { listReferrers, listRepositories, listTags } from './handlers/lists.ts';
import { deleteManifest, getManifest, headManifest, putManifest } from './handlers/manifests.ts';
import { appendToUpload, cancelUpload, finishUpload, getUpload, startUpload } from './handlers/uploads.ts';

export type Kind = DistributionPath['kind'];
export type PathOf<K extends Kind> = Extract<DistributionPath, { kind: K }>;

export interface Route<K extends Kind> {
  /** What the caller must be allowed to do with the repository; null: be somebody. */
  readonly action: RepositoryAction | null;
  /** The handler's own query tells whether the token still holds, so that it need not be asked for before. */
  readonly checksToken?: boolean;
  readonly handle: (exchange: Exchange, path: PathOf<K>) => Promise<void>;
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export const METHODS: readonly Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Every endpoint with the permission that it needs (distribution-spec, "Endpoints"). */
export const ROUTES: { readonly [K in Kind]: { readonly [M in Method]?: Route<K> } } = {
  base: {
    GET: { action: null, handle: ping },
    HEAD: { action: null, handle: ping },
  },
  catalog: {
    GET: { action: null, handle: listRepositories },
  },
  manifest: {
    GET: { action: 'pull', checksToken: true, handle: getManifest },
    HEAD: { action: 'pull', checksToken: true, handle: headManifest },
    PUT: { action: 'push', handle: putManifest },
    DELETE: { action: 'delete', handle: deleteManifest },
  },
  blob: {
    GET: { action: 'pull', checksToken: true, handle: getBlob },
    HEAD: { action: 'pull', checksToken: true, handle: headBlob },
    DELETE: { action: 'delete', handle: deleteBlob },
  },
  uploads: {
    POST: { action: 'push', handle: startUpload },
  },
  upload: {
    GET: { action: 'push', handle: getUpload },
    PATCH: { action: 'push', handle: appendToUpload },
    PUT: { action: 'push', handle: finishUpload },
    // `distribution` wants the right to delete for this; whoever began an upload may also end it.
    DELETE: { action: 'push', handle: cancelUpload },
  },
  tags: {
    GET: { action: 'pull', handle: listTags },
  },
  referrers: {
    GET: { action: 'pull', handle: listReferrers },
  },
};

/** end-1: that a client got this far says all there is to say. */
async function ping({ reply }: Exchange): Promise<void> {
  reply.header('content-type', 'application/json').send(Buffer.from('{}'));
}
