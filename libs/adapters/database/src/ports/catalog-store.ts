import type { Provenance } from '@sluice/domain/access';
import type { Digest, RepositoryName } from '@sluice/domain/oci';
import type { RuleResult, StoredVerdict, VerdictState } from '@sluice/domain/policy';

/**
 * Whose view of the content is listed. A principal sees what its stored grants from `reporter` on and the visibility
 * of projects let it see, and what lies below the nodes that its credential brings along.
 */
export type CatalogReader =
  | { readonly kind: 'all' }
  | {
      readonly kind: 'principal';
      /** Null: nobody signed in. */
      readonly id: string | null;
      /** Whether projects of visibility `internal` are shown. */
      readonly internal: boolean;
      /** Nodes that a CI job may read by its token. */
      readonly nodeIds: readonly string[];
    };

export interface RepositoryRecord {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly projectPath: string;
  readonly artifacts: number;
  readonly tags: number;
  readonly createdAt: Date;
  /** When a manifest was last stored, null in an empty repository. */
  readonly lastPushedAt: Date | null;
}

export interface ArtifactRecord {
  /** Row of `manifest`. */
  readonly id: string;
  readonly repositoryId: string;
  readonly repository: string;
  readonly projectId: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  /** image, index, signature, attestation or artifact. */
  readonly kind: string;
  /** Bytes of the manifest and of every blob that it names. */
  readonly sizeBytes: number;
  readonly tags: readonly string[];
  readonly subjectDigest: string | null;
  readonly createdAt: Date;
  /** Null when it is not known; `name` is null when the principal is gone. */
  readonly pushedBy: {
    readonly id: string;
    readonly name: string | null;
    readonly kind: string | null;
  } | null;
  readonly provenance: Provenance | null;
  readonly verdict: StoredVerdict | null;
}

export interface VerdictRecord extends StoredVerdict {
  readonly artifactId: string;
  readonly results: readonly RuleResult[];
  readonly evaluatedAt: Date;
}

/** One entry of an index. */
export interface ChildRecord {
  readonly digest: string;
  /** `linux/amd64`, `linux/arm64/v8`; null when the index does not say. */
  readonly platform: string | null;
  /** Null while the repository does not have it. */
  readonly artifact: {
    readonly id: string;
    readonly kind: string;
    readonly verdict: StoredVerdict | null;
  } | null;
}

export interface EvidenceEntry {
  readonly id: string;
  readonly digest: string;
  readonly kind: string;
  readonly producer: string;
  readonly payload: unknown;
  readonly createdAt: Date;
}

export interface RepositoryQuery {
  readonly reader: CatalogReader;
  readonly projectId?: string;
  /** Name of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

export interface RepositoryNameQuery {
  readonly reader: CatalogReader;
  /** Only those that link a live blob of this digest, whether or not an artifact names it. */
  readonly blob?: Digest;
  /** Name of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

export interface ArtifactQuery {
  readonly reader: CatalogReader;
  readonly repository?: string;
  readonly kinds?: readonly string[];
  readonly verdicts?: readonly VerdictState[];
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Where something lies, for the decision whether somebody may see it. */
export interface CatalogPlace {
  readonly projectId: string;
  readonly repository: string;
}

/** What was pushed and what is known of it, for reading. Nothing here writes. */
export abstract class CatalogStore {
  /** The place of a repository, artifact or verdict by its id; null when there is none. */
  abstract locate(kind: 'repository' | 'artifact' | 'verdict', id: string): Promise<CatalogPlace | null>;

  /** In byte order of the name. At most `limit` items. */
  abstract listRepositories(query: RepositoryQuery): Promise<RepositoryRecord[]>;

  /**
   * Names of repositories that have an artifact, or the blob that is asked for, in byte order. One statement that costs
   * the same whether the reader sees what is there or not.
   */
  abstract repositoryNames(query: RepositoryNameQuery): Promise<RepositoryName[]>;

  abstract repository(id: string): Promise<RepositoryRecord | null>;

  /** Newest first. At most `limit` items. */
  abstract listArtifacts(query: ArtifactQuery): Promise<ArtifactRecord[]>;

  abstract artifact(id: string): Promise<ArtifactRecord | null>;

  /** The artifact behind a tag or digest of a repository. */
  abstract findArtifact(
    repository: string,
    reference: { readonly tag: string } | { readonly digest: string },
  ): Promise<ArtifactRecord | null>;

  abstract verdict(
    by: { readonly id: string } | { readonly artifactId: string },
  ): Promise<VerdictRecord | null>;

  /** What an index names, in its order; empty for everything else. */
  abstract children(artifactId: string): Promise<ChildRecord[]>;

  /** Evidence about the digest wherever it lies and in this repository, oldest first. */
  abstract evidence(repositoryId: string, digest: string): Promise<EvidenceEntry[]>;
}
