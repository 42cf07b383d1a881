import { join } from 'node:path';
import { GateFreshness } from '@sluice/api';
import { Catalog } from '@sluice/catalog';
import {
  BlobService,
  JudgedReads,
  ManifestService,
  PullGate,
  StatementCheck,
  UploadService,
  UploadSweep,
} from '@sluice/distribution';
import { Policies, VerdictEvents, Verdicts } from '@sluice/gate';
import { JwksIssuerKeys } from '@sluice/gitlab-client/jwks';
import { createIdentity, KeyFile } from '@sluice/identity';
import { Members, Projects } from '@sluice/projects';
import { ThreadLayerReader } from '@sluice/image-contents/threads';
import {
  AdvisoryImporter,
  AdvisoryRematcher,
  AdvisoryUploads,
  ArtifactScanner,
  ImageMatcher,
  Sboms,
} from '@sluice/scanning';
import { SignatureSweep, SignatureVerifier, StoredSignatureContents, TrustedKeys } from '@sluice/signing';
import type { Checkpoint, Stores } from '@sluice/runtime';
import type { BlobStorage } from '@sluice/blob-storage';
import type { StandaloneConfig } from './config.ts';
import type { DataDirectory } from './data-directory.ts';

/** A client that was told of a blob gets this long to push the manifest that names it. */
const LEASE_SECONDS = 86_400;
/** An upload that nobody continues is kept this long. */
const UPLOAD_SESSION_SECONDS = 86_400;
/** Manifests kept in memory; they never change under their digest. */
const MANIFEST_CACHE_BYTES = 128 * 1_048_576;

/** Every feature of the platform, wired to its stores. */
export type Features = Awaited<ReturnType<typeof createFeatures>>;

export async function createFeatures(parts: {
  readonly config: StandaloneConfig;
  readonly directory: DataDirectory;
  readonly publicUrl: string;
  readonly blobs: BlobStorage;
  readonly stores: Stores;
  readonly checkpoint: Checkpoint;
}) {
  const { config, directory, publicUrl, blobs, stores, checkpoint } = parts;
  const gate = new PullGate(stores.verdictSignals, stores.denialLog, {
    holdMs: config.gateHoldSeconds * 1_000,
    publicUrl,
  });
  const lease = { leaseSeconds: LEASE_SECONDS };
  const verifier = new SignatureVerifier(
    stores.signatures,
    stores.trustedKeys,
    new StoredSignatureContents(stores.signatures, blobs),
    stores.evidence,
    () => new Date(),
  );
  const verdicts = new Verdicts(stores.verdicts, stores.jobs);
  const reads = new JudgedReads(stores.registryReads, (manifestId) => verdicts.judgeNow(manifestId));
  const matcher = new ImageMatcher(stores.inventories);
  const layerReader = new ThreadLayerReader();
  const importer = new AdvisoryImporter(stores.advisories, undefined, checkpoint);
  return {
    layerReader,
    scanner: new ArtifactScanner(stores.inventories, blobs, layerReader, matcher, checkpoint),
    rematcher: new AdvisoryRematcher(stores.advisories, stores.inventories, matcher),
    advisoryUploads: new AdvisoryUploads(blobs, stores.jobs, importer),
    sboms: new Sboms(stores.inventories),
    identity: await createIdentityFeature(config, directory, publicUrl, stores),
    catalog: new Catalog(stores.catalog, stores.verdictSignals, new GateFreshness(verdicts)),
    members: new Members(stores.grants, stores.audit),
    projects: new Projects(stores.nodes, stores.audit),
    manifests: new ManifestService(
      reads,
      stores.manifestWrites,
      gate,
      new StatementCheck(reads, blobs),
      stores.coherence,
      {
        ...lease,
        cacheBytes: MANIFEST_CACHE_BYTES,
      },
    ),
    blobs: new BlobService(reads, stores.blobLinks, blobs, gate, lease),
    uploads: new UploadService(
      stores.uploadSessions,
      blobs,
      { ...lease, sessionSeconds: UPLOAD_SESSION_SECONDS },
      checkpoint,
    ),
    uploadSweep: new UploadSweep(stores.uploadSessions, blobs),
    trustedKeys: new TrustedKeys(stores.trustedKeys, stores.audit),
    verifier,
    signatureSweep: new SignatureSweep(stores.signatures, stores.jobs),
    policies: new Policies(stores.policies, stores.audit),
    verdicts,
    verdictEvents: new VerdictEvents(stores.verdicts),
  };
}

async function createIdentityFeature(
  config: StandaloneConfig,
  directory: DataDirectory,
  publicUrl: string,
  stores: Stores,
) {
  const issuers = config.gitlabUrl.map((issuer) => ({
    issuer,
    ...(config.gitlabJwksFile === undefined ? {} : { jwksFile: config.gitlabJwksFile }),
  }));
  return createIdentity(
    {
      nodes: stores.nodes,
      principals: stores.principals,
      grants: stores.grants,
      secrets: stores.secrets,
      ciBindings: stores.ciBindings,
      seenTokens: stores.seenTokens,
      audit: stores.audit,
      tokenKeys: await KeyFile.open(join(directory.keys, 'registry-tokens.json')),
      issuerKeys: new JwksIssuerKeys(issuers),
    },
    { publicUrl, service: new URL(publicUrl).host, gitlabIssuers: config.gitlabUrl },
  );
}
