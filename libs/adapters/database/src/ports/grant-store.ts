import type { Grant } from '@sluice/domain/access';

/** A grant with the names that a reader of it wants to see. */
export interface GrantRecord extends Grant {
  readonly id: string;
  readonly principalName: string;
  readonly principalKind: 'user' | 'robot' | 'workload';
  readonly nodePath: string;
  readonly createdAt: Date;
}

export interface GrantQuery {
  readonly nodeId: string;
  /** Also the grants of the nodes above, which hold here as well. */
  readonly inherited: boolean;
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Roles of principals on nodes. One principal has at most one grant a node and source. */
export abstract class GrantStore {
  /**
   * Writes the grant in place of the one with the same principal, node and source.
   * The principal's epoch rises when the grant gives less or ends earlier than before.
   *
   * @param replacing is shown the grant that is about to be replaced and may throw to keep it
   * @throws AccessError principal-unknown, node-unknown
   */
  abstract put(grant: Grant, replacing?: (before: Grant) => void): Promise<GrantRecord>;

  abstract get(id: string): Promise<GrantRecord | null>;

  /** Oldest first. At most `limit` items. */
  abstract list(query: GrantQuery): Promise<GrantRecord[]>;

  /** Removes it and raises the principal's epoch. False when there was none. */
  abstract remove(id: string): Promise<boolean>;
}
