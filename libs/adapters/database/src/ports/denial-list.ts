/** A refused pull as it was stored. */
export interface DenialRecord {
  readonly id: string;
  readonly at: Date;
  readonly principalId: string | null;
  readonly principalName: string;
  readonly repository: string;
  readonly reference: string;
  readonly digest: string | null;
  readonly rule: string;
  readonly reason: string;
  readonly verdictId: string | null;
  readonly clientAddress: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
}

export interface DenialQuery {
  readonly repository?: string;
  /** Repositories at or below this node path. */
  readonly under?: string;
  readonly principalId?: string;
  readonly digest?: string;
  readonly rule?: string;
  readonly since?: Date;
  readonly until?: Date;
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Refused pulls, for reading. */
export abstract class DenialList {
  /** Newest first. At most `limit` items. */
  abstract list(query: DenialQuery): Promise<DenialRecord[]>;
}
