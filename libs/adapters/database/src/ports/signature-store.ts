import type { Digest } from '@sluice/domain/oci';

/** A manifest that may carry signatures. */
export interface SignatureManifest {
  readonly id: string;
  readonly digest: Digest;
  readonly artifactType: string | null;
  /** The exact bytes; null when they are more than was asked for. */
  readonly content: Buffer | null;
}

/** Where the bytes of a blob lie. */
export interface BlobLocation {
  readonly objectKey: string;
  readonly size: number;
}

/** One digest in one repository. */
export interface SignedSubject {
  readonly repositoryId: string;
  readonly digest: Digest;
}

/** What is read of a repository to find and check the signatures in it. */
export abstract class SignatureStore {
  /** The manifest behind a tag; null without one. */
  abstract findTagged(repositoryId: string, tag: string, maxBytes: number): Promise<SignatureManifest | null>;

  /** Manifests with this subject, oldest first, after the one with the id `after`. */
  abstract listReferrers(
    subject: SignedSubject,
    page: { readonly after: string | null; readonly limit: number; readonly maxBytes: number },
  ): Promise<SignatureManifest[]>;

  /**
   * Whether the repository has anything that may be a signature of the digest, behind the tag or with the digest as
   * its subject, or knows of one that is gone.
   */
  abstract maySign(subject: SignedSubject, tag: string | null): Promise<boolean>;

  /** A blob that the repository links; null without one. */
  abstract findBlob(repositoryId: string, digest: Digest): Promise<BlobLocation | null>;

  /**
   * Everything below a node that has evidence of a signature, verified or not, ordered by repository and digest, after
   * the given one.
   */
  abstract listSubjects(
    nodeId: string,
    page: { readonly after: SignedSubject | null; readonly limit: number },
  ): Promise<SignedSubject[]>;
}
