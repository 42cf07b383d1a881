import type { ChainHead, ChainLink } from '@sluice/domain/audit';

export interface AuditQuery {
  /** Exactly this actor, action or resource. */
  readonly actor?: string;
  readonly action?: string;
  readonly resource?: string;
  /** The resource itself, and what lies below it: `team/app` finds `team/app/web@sha256:…`. */
  readonly under?: string;
  readonly decision?: 'allowed' | 'denied';
  readonly since?: Date;
  readonly until?: Date;
  /** Number of the last event of the page before. */
  readonly after: number | null;
  readonly limit: number;
}

/** What was recorded, for reading. */
export abstract class AuditTrail {
  /** Newest first. At most `limit` items. */
  abstract list(query: AuditQuery): Promise<ChainLink[]>;

  /** In order of the chain, from the event after `seq` on. At most `limit` items. */
  abstract read(afterSeq: number, limit: number): Promise<ChainLink[]>;

  /** Where the chain stands now. */
  abstract head(): Promise<ChainHead>;
}
