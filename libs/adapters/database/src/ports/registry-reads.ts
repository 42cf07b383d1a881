import type { Visibility } from '@sluice/domain/access';
import type { ArtifactKind, Digest, Reference, RepositoryName, Tag } from '@sluice/domain/oci';
import type { RuleResult, StoredVerdict } from '@sluice/domain/policy';

/** A manifest as one repository holds it. */
export interface StoredManifest {
  /** Row of `manifest`. */
  readonly id: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly kind: ArtifactKind;
  readonly verdict: StoredVerdict | null;
  /** The policies or trusted keys that hold for it have changed since it was judged; the verdict then is `pending`. */
  readonly isStale: boolean;
}

export interface ManifestLookup {
  /** The current epoch of the principal that was asked about; null when it is gone, disabled, expired or nobody. */
  readonly principalEpoch: number | null;
  readonly projectId: string | null;
  /** Null when the repository does not exist. */
  readonly repositoryId: string | null;
  /** Of its project. Null when the repository does not exist. */
  readonly visibility: Visibility | null;
  readonly manifest: StoredManifest | null;
}

/** A blob as one repository links it. */
export interface StoredBlob {
  /** Row of `blob`. */
  readonly id: string;
  readonly sizeBytes: number;
  /** Key in the blob storage. */
  readonly objectKey: string;
  readonly leasedUntil: Date | null;
  /**
   * The best verdict (green, amber, pending, red) among the artifacts of this repository that name the blob, null when
   * none does.
   */
  readonly verdict: (StoredVerdict & { readonly manifestId: string }) | null;
  /** Whether the verdict is that of an image: one of another artifact no longer counts once an image names the blob. */
  readonly isOfImage: boolean;
  /** As in {@link StoredManifest}, of that verdict. */
  readonly isStale: boolean;
  /** Whether the project lets clients fetch blobs from the object store. */
  readonly mayRedirect: boolean;
  /** Whether a policy with an enforcing rule holds for the repository. Only looked up when `verdict` is null. */
  readonly enforced: boolean;
}

export interface BlobLookup {
  /** As in {@link ManifestLookup}. */
  readonly principalEpoch: number | null;
  /** Null when the repository does not exist. */
  readonly repositoryId: string | null;
  /** As in {@link ManifestLookup}. */
  readonly visibility: Visibility | null;
  readonly blob: StoredBlob | null;
}

/** One entry of a referrers list. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly artifactType: string | null;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ReferrersQuery {
  readonly artifactType: string | null;
  /** Digest of the last item of the page before. */
  readonly after: string | null;
  /** Entries of a page. It has fewer when their manifests are large together, and always one if there is any. */
  readonly limit: number;
}

export interface ReferrersPage {
  readonly referrers: readonly Referrer[];
  readonly hasMore: boolean;
}

/** What the data plane reads. Each method is one query that uses an index, whatever the size of the repository. */
export abstract class RegistryReads {
  /** Finds a manifest with everything that is needed to answer for it, except its bytes. */
  abstract manifest(
    repository: RepositoryName,
    reference: Reference,
    principalId: string | null,
  ): Promise<ManifestLookup>;

  /** The bytes of a manifest exactly as they were pushed, null when it was deleted meanwhile. */
  abstract manifestContent(manifestId: string): Promise<Buffer | null>;

  /** What every rule said of the artifact at its last judgement; empty before the first. */
  abstract verdictResults(manifestId: string): Promise<readonly RuleResult[]>;

  /** Finds a live blob that the repository links. */
  abstract blob(repository: RepositoryName, digest: Digest, principalId: string | null): Promise<BlobLookup>;

  /**
   * Tags in byte order, at most `limit`, beginning behind `after` whether or not that exists. Null when the repository
   * does not exist.
   */
  abstract tags(repository: RepositoryName, after: string | null, limit: number): Promise<Tag[] | null>;

  /** Manifests whose subject is `subject`, in byte order of their digest. Empty for an unknown repository. */
  abstract referrers(
    repository: RepositoryName,
    subject: Digest,
    query: ReferrersQuery,
  ): Promise<ReferrersPage>;
}
