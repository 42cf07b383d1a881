import type { Provenance } from '@sluice/domain/access';
import type { ArtifactKind, Digest, Manifest, RepositoryName, Tag } from '@sluice/domain/oci';

export interface NewManifest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** Exactly what was pushed. */
  readonly content: Buffer;
  readonly manifest: Manifest;
  readonly kind: ArtifactKind;
  readonly tags: readonly Tag[];
  /** Row of `principal`, null for nobody. */
  readonly pushedBy: string | null;
  readonly provenance: Provenance | null;
  /** How long the blobs it names are kept from garbage collection from now on. */
  readonly leaseSeconds: number;
}

export interface StoredPush {
  /** Row of `manifest`. */
  readonly manifestId: string;
  /** A tag was there before, and may have named something else. */
  readonly movedTags: boolean;
}

/** What the data plane writes about manifests and tags. Each method is one transaction with its outbox events. */
export abstract class ManifestWrites {
  /**
   * Stores an artifact with its edges and points tags at it. The repository is made when the longest project path
   * that its name begins with exists. Pushing what is there already changes the tags only; its verdict stays.
   *
   * A new artifact gets the verdict `pending`. An index that names it and came before it is joined to it.
   *
   * Blobs must be linked in the repository with the size that the manifest says; non-distributable layers may be
   * missing. A manifest with a subject may come before its blobs (`cosign load` writes in that order), and any manifest
   * where the project accepts that: they are joined to it when they arrive. Children of an index may be missing as
   * well.
   *
   * Emits `artifact.pushed`.
   *
   * @throws OciError NAME_UNKNOWN (no project), MANIFEST_BLOB_UNKNOWN (names the missing ones), MANIFEST_INVALID (a
   * size is wrong)
   */
  abstract put(manifest: NewManifest): Promise<StoredPush>;

  /** Removes a tag and nothing else. Returns false when there is none. */
  abstract deleteTag(repository: RepositoryName, tag: Tag): Promise<boolean>;

  /**
   * Removes an artifact with its tags, edges and verdict; its blobs stay linked. Returns false when there is none.
   * Emits `artifact.deleted`.
   *
   * @throws OciError UNSUPPORTED while an index of the repository names it, lists of referrers ("Referrers Tag Schema")
   * not counted
   */
  abstract deleteManifest(repository: RepositoryName, digest: Digest): Promise<boolean>;
}
