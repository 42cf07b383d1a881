import type { NodeKind } from '@sluice/domain/access';

/** Which node has a key domain of its own. */
export interface KeyDomainAssignment {
  readonly nodeId: string;
  readonly kind: NodeKind;
  readonly path: string;
  readonly domain: string;
}

/**
 * Whose content is encrypted under keys of its own. Everything below a node is in its domain, unless a node on the way
 * has another. A blob is stored once in a domain and never shared with another one.
 */
export abstract class KeyDomains {
  /** In byte order of the paths. */
  abstract list(): Promise<KeyDomainAssignment[]>;

  /**
   * Gives a node and everything below it a domain, or takes it back (null).
   *
   * @throws AccessError node-unknown; node-not-empty when blobs or uploads are below the node already: what is stored
   * stays under the keys that it was stored with
   */
  abstract assign(path: string, domain: string | null): Promise<void>;
}
