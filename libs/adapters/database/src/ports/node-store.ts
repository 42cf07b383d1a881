import type { Grant, NodeContext, NodeKind, NodePath, Visibility } from '@sluice/domain/access';

/**
 * What a project does with a manifest that names blobs which the repository does not have. Those with a `subject` may
 * always come first. One that is accepted is joined to its blobs when they arrive.
 */
export type MissingBlobs = 'refuse' | 'accept';

/**
 * How clients get the bytes of blobs: from Sluice, or by a signed URL from the object store where it can give one.
 * Encrypted storage cannot.
 */
export type BlobDownloads = 'proxy' | 'redirect';

export interface NodeRecord {
  readonly id: string;
  readonly kind: NodeKind;
  /** Null for a node at the top. */
  readonly parentId: string | null;
  readonly path: string;
  readonly visibility: Visibility;
  /** Of no effect on a group. */
  readonly missingBlobs: MissingBlobs;
  /** Of no effect on a group. */
  readonly blobDownloads: BlobDownloads;
  readonly createdAt: Date;
}

/**
 * Names one node: by id, by its path, as the project that owns a repository name (the project whose path is the name
 * or its longest leading part), or as the deepest existing node at or above a path.
 */
export type NodeTarget =
  | { readonly id: string }
  | { readonly path: string }
  | { readonly repository: string }
  | { readonly nearest: string };

/** A node with all that a decision about one principal needs. */
export interface AccessContext {
  readonly node: NodeContext;
  /** The principal's stored grants on the lineage, expired ones included. */
  readonly grants: readonly Grant[];
}

/** Whose view of the tree is listed: everything, or what a principal may see (null: nobody signed in). */
export type NodeReader =
  | { readonly kind: 'all' }
  | {
      readonly kind: 'principal';
      readonly id: string | null;
      /** Whether internal nodes are shown: to signed-in users and robots. */
      readonly internal: boolean;
      /** Nodes on which the credential itself gives a role (a CI job's bindings); everything below is shown too. */
      readonly nodeIds?: readonly string[];
    };

export interface NodeQuery {
  readonly kind?: NodeKind;
  /** Only nodes below this path. */
  readonly under?: string;
  /** Only the node at this path. */
  readonly path?: string;
  readonly reader: NodeReader;
  /** Path of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** What of a node can be changed; what is left out stays. */
export interface NodeChanges {
  readonly visibility?: Visibility;
  readonly missingBlobs?: MissingBlobs;
  readonly blobDownloads?: BlobDownloads;
}

/** The tree of groups and projects. Paths are unique; a project never has nodes below it. */
export abstract class NodeStore {
  /**
   * Creates a node and every missing group above it, all or nothing. New groups are private.
   *
   * Returns what was created, from the top down; the node itself is the last.
   *
   * @throws AccessError path-taken when the path exists; path-invalid when a project stands on the way
   */
  abstract create(node: { kind: NodeKind; path: NodePath; visibility: Visibility }): Promise<NodeRecord[]>;

  /** Null when there is no such node. */
  abstract get(target: NodeTarget): Promise<NodeRecord | null>;

  /**
   * The node, its lineage and the principal's grants on it, in one query.
   *
   * @param principalId null for anonymous: no grants
   */
  abstract context(target: NodeTarget, principalId: string | null): Promise<AccessContext | null>;

  /** In byte order of the path. At most `limit` items. */
  abstract list(query: NodeQuery): Promise<NodeRecord[]>;

  /** @throws AccessError node-unknown */
  abstract update(id: string, changes: NodeChanges): Promise<NodeRecord>;

  /**
   * Deletes a node with its robots, grants and bindings. A project's repositories must hold no manifest; empty ones
   * go with it.
   *
   * @throws AccessError node-unknown; node-not-empty when nodes or artifacts lie in it
   */
  abstract delete(id: string): Promise<void>;
}
