import type { KeyAlgorithm } from '@sluice/domain/signature';
import type { NodeReader } from './node-store.ts';

/** A public key whose signatures count in a node and everything below it. */
export interface TrustedKeyRecord {
  readonly id: string;
  readonly nodeId: string;
  readonly nodePath: string;
  /** Unique in its node. */
  readonly name: string;
  readonly algorithm: KeyAlgorithm;
  readonly pem: string;
  /** Hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly keyId: string;
  /** Name of the principal that added it. */
  readonly createdBy: string;
  readonly createdAt: Date;
}

export type NewTrustedKey = Pick<
  TrustedKeyRecord,
  'nodeId' | 'name' | 'algorithm' | 'pem' | 'keyId' | 'createdBy'
>;

export interface TrustedKeyQuery {
  readonly reader: NodeReader;
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** The trusted keys of every node. Each change writes a `trust.changed` event in its transaction. */
export abstract class TrustedKeyStore {
  /**
   * @param limit how many keys a node may have
   * @throws TrustError trusted-key-name-taken, trusted-key-exists, trusted-key-limit
   * @throws AccessError node-unknown
   */
  abstract add(key: NewTrustedKey, limit: number): Promise<TrustedKeyRecord>;

  /** Null when there is no such key. */
  abstract get(id: string): Promise<TrustedKeyRecord | null>;

  /** What was removed; null when there was no such key. */
  abstract remove(id: string): Promise<TrustedKeyRecord | null>;

  /** The node's own keys and those of everything above it, from the top down, by name. */
  abstract listForNode(nodeId: string): Promise<TrustedKeyRecord[]>;

  /** What {@link listForNode} gives for the project of the repository. Empty for a repository that is gone. */
  abstract listForRepository(repositoryId: string): Promise<TrustedKeyRecord[]>;

  /** The keys of all nodes that the reader may see, in order of their ids. */
  abstract list(query: TrustedKeyQuery): Promise<TrustedKeyRecord[]>;
}
