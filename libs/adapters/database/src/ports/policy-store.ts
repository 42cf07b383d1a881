import type { PolicyDocument } from '@sluice/domain/policy';
import type { NodeReader } from './node-store.ts';

export interface PolicyRecord {
  readonly id: string;
  /** Null for a policy of the whole installation. */
  readonly nodeId: string | null;
  readonly nodePath: string | null;
  /** Unique in its node. */
  readonly name: string;
  /** 1 at first, one more with every change. */
  readonly version: number;
  /** As it was stored: a {@link PolicyDocument} unless an older or newer Sluice wrote it. */
  readonly document: unknown;
  /** Row of `principal` that applied this version, null for Sluice itself. */
  readonly createdBy: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface PolicyVersion {
  readonly version: number;
  readonly document: unknown;
  readonly createdBy: string | null;
  readonly createdAt: Date;
}

export interface NewPolicy {
  readonly nodeId: string | null;
  readonly document: PolicyDocument;
  readonly createdBy: string | null;
  /** The version that the caller has seen; 0 for "there is none". Undefined: whatever it is. */
  readonly expectedVersion?: number | undefined;
}

export interface PolicyQuery {
  /**
   * `own`: attached to exactly this node (null: the installation); `effective`: all that hold for it; `readable`: of
   * the installation and of all nodes that the reader may see.
   */
  readonly scope:
    | { readonly kind: 'own'; readonly nodeId: string | null }
    | { readonly kind: 'effective'; readonly nodeId: string }
    | { readonly kind: 'readable'; readonly reader: NodeReader };
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Policy documents and all their versions. Each change writes `policy.changed` in its transaction. */
export abstract class PolicyStore {
  /**
   * Makes the document the newest version of the policy of its name. `changed` is false, and nothing is written,
   * when it is already that.
   *
   * @throws PolicyError policy-changed when `expectedVersion` is not the version there; policy-node-unknown
   */
  abstract apply(policy: NewPolicy): Promise<{ readonly policy: PolicyRecord; readonly changed: boolean }>;

  /** Null when there is no such policy. */
  abstract get(id: string): Promise<PolicyRecord | null>;

  /** The policy of this name attached to exactly this node (null: the installation). */
  abstract find(nodeId: string | null, name: string): Promise<PolicyRecord | null>;

  /** In order of their ids, which is the order in which they were first applied. At most `limit` items. */
  abstract list(query: PolicyQuery): Promise<PolicyRecord[]>;

  /** Newest first. Versions never change and go with their policy. */
  abstract versions(id: string): Promise<PolicyVersion[]>;

  /**
   * What was deleted; null when there was no such policy.
   *
   * @throws PolicyError policy-changed
   */
  abstract delete(id: string, expectedVersion?: number): Promise<PolicyRecord | null>;
}
