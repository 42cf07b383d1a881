import type { OutboxEvent } from '../events.ts';
import type { JobRequest } from './job-ledger.ts';

/** What came of one pass over the outbox. */
export interface RelayPass {
  readonly relayed: number;
  /** Events whose subscriber threw; they stay in the outbox. */
  readonly failed: readonly { readonly event: OutboxEvent; readonly error: unknown }[];
  /** Whether it took as many events as it might, so that there may be more. */
  readonly isFull: boolean;
}

/** The events that happened and of which the ledger does not yet know. */
export abstract class Outbox {
  /**
   * Takes up to `limit` events that were not relayed, lowest sequence number first, and in one transaction writes
   * the jobs that `toJobs` answers and marks the events relayed. Events that another relay holds are skipped.
   *
   * By state and not by high-water mark: sequence numbers are drawn before commit, so a lower one may appear later.
   *
   * @param except sequence numbers to leave alone this time
   */
  abstract relay(
    limit: number,
    except: readonly number[],
    toJobs: (event: OutboxEvent) => Promise<readonly JobRequest[]>,
  ): Promise<RelayPass>;

  /** Forgets events that were relayed longer ago. Returns how many. */
  abstract prune(relayedForSeconds: number): Promise<number>;
}
