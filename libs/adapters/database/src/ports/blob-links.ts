import type { Digest, RepositoryName } from '@sluice/domain/oci';

/** Which repository has which blob, and what is kept from garbage collection meanwhile. */
export abstract class BlobLinks {
  /**
   * Makes a blob of `from` available in `repository`, which is made when needed, and leases it. Returns false when
   * `from` has no such live blob, or one that is encrypted under keys of another domain.
   *
   * @throws OciError NAME_UNKNOWN (no project)
   */
  abstract mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName,
    leaseSeconds: number,
  ): Promise<boolean>;

  /** Keeps a blob for at least that long. Returns false when it is no longer live: whoever asked must push it again. */
  abstract lease(blobId: string, seconds: number): Promise<boolean>;

  /**
   * Takes a blob out of a repository; its bytes stay for other repositories and for garbage collection. Returns false
   * when it is not there.
   *
   * @throws OciError UNSUPPORTED while a manifest of the repository names it
   */
  abstract unlink(repository: RepositoryName, digest: Digest): Promise<boolean>;
}
