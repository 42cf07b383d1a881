import type { OutboxEvent } from '../events.ts';
import type { JobRequest } from '../ports/job-ledger.ts';
import { Outbox, type RelayPass } from '../ports/outbox.ts';
import type { StatementRunner } from '../statement-runner.ts';
import type { Database } from './database.ts';
import { insertJobs } from './job-writer.ts';
import { queryRows } from './sql.ts';
import { inTransaction, type Transaction } from './transaction.ts';

export class PostgresOutbox extends Outbox {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  relay(
    limit: number,
    except: readonly number[],
    toJobs: (event: OutboxEvent) => Promise<readonly JobRequest[]>,
  ): Promise<RelayPass> {
    return inTransaction(this.#source, async (transaction) => {
      const events = await takeEvents(transaction, limit, except);
      // At once, so that what the subscribers look up is asked for together.
      const answers = await Promise.allSettled(events.map(async (event) => toJobs(event)));
      const failed: Failure[] = [];
      const answered: Answered[] = [];
      for (const [index, event] of events.entries()) {
        const answer = answers[index];
        if (answer?.status === 'fulfilled') answered.push({ event, requests: answer.value });
        else failed.push({ event, error: answer?.reason });
      }
      const unwritten = await writeJobs(transaction, answered);
      failed.push(...unwritten);
      const left = new Set(unwritten.map(({ event }) => event));
      const relayed = answered.map(({ event }) => event).filter((event) => !left.has(event));
      if (relayed.length > 0) {
        const seqs = relayed.map((event) => event.seq);
        await transaction.finish(
          transaction.query('UPDATE outbox SET relayed_at = now() WHERE seq = ANY ($1)', [seqs]),
        );
      }
      return { relayed: relayed.length, failed, isFull: events.length === limit };
    });
  }

  async prune(relayedForSeconds: number): Promise<number> {
    const rows = await queryRows<{ seq: string }>(
      this.#source,
      `DELETE FROM outbox WHERE relayed_at < now() - $1 * interval '1 second' RETURNING seq`,
      [relayedForSeconds],
    );
    return rows.length;
  }
}

interface Answered {
  readonly event: OutboxEvent;
  readonly requests: readonly JobRequest[];
}

type Failure = RelayPass['failed'][number];

/** Writes all jobs at once; when that fails, event by event, so that one bad event does not hold up the others. */
async function writeJobs(transaction: Transaction, answered: readonly Answered[]): Promise<Failure[]> {
  const all = answered.flatMap(({ requests }) => requests);
  if ((await transaction.attempt(() => insertJobs(transaction, all))) === null) return [];
  const failures: Failure[] = [];
  for (const { event, requests } of answered) {
    const failure = await transaction.attempt(() => insertJobs(transaction, requests));
    if (failure !== null) failures.push({ event, error: failure.error });
  }
  return failures;
}

async function takeEvents(
  transaction: StatementRunner,
  limit: number,
  except: readonly number[],
): Promise<OutboxEvent[]> {
  const rows = await queryRows<Omit<OutboxEvent, 'seq'> & { seq: string }>(
    transaction,
    `SELECT seq, id, type, subject, payload FROM outbox
     WHERE relayed_at IS NULL AND seq <> ALL ($2::bigint[])
     ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED`,
    [limit, except],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }) as OutboxEvent);
}
