import type { DataSource, EntityManager } from 'typeorm';
import type { OutboxEvent } from '../events.ts';
import type { JobRequest } from '../ports/job-ledger.ts';
import { Outbox, type RelayPass } from '../ports/outbox.ts';
import { insertJobs } from './job-writer.ts';
import { queryRows } from './sql.ts';

export class PostgresOutbox extends Outbox {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  relay(
    limit: number,
    except: readonly number[],
    toJobs: (event: OutboxEvent) => Promise<readonly JobRequest[]>,
  ): Promise<RelayPass> {
    return this.#source.transaction(async (manager) => {
      const failed: Failure[] = [];
      const answered: Answered[] = [];
      for (const event of await takeEvents(manager, limit, except)) {
        try {
          answered.push({ event, requests: await toJobs(event) });
        } catch (error) {
          failed.push({ event, error });
        }
      }
      const unwritten = await writeJobs(manager, answered);
      failed.push(...unwritten);
      const left = new Set(unwritten.map(({ event }) => event));
      const relayed = answered.map(({ event }) => event).filter((event) => !left.has(event));
      await manager.query('UPDATE outbox SET relayed_at = now() WHERE seq = ANY ($1)', [
        relayed.map((event) => event.seq),
      ]);
      return { relayed: relayed.length, failed };
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
async function writeJobs(manager: EntityManager, answered: readonly Answered[]): Promise<Failure[]> {
  try {
    // A transaction inside the transaction is a savepoint.
    await manager.transaction((inner) =>
      insertJobs(
        inner,
        answered.flatMap(({ requests }) => requests),
      ),
    );
    return [];
  } catch {
    const failures: Failure[] = [];
    for (const { event, requests } of answered) {
      try {
        await manager.transaction((inner) => insertJobs(inner, requests));
      } catch (error) {
        failures.push({ event, error });
      }
    }
    return failures;
  }
}

async function takeEvents(
  manager: EntityManager,
  limit: number,
  except: readonly number[],
): Promise<OutboxEvent[]> {
  const rows = await queryRows<Omit<OutboxEvent, 'seq'> & { seq: string }>(
    manager,
    `SELECT seq, id, type, subject, payload FROM outbox
     WHERE relayed_at IS NULL AND seq <> ALL ($2::bigint[])
     ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED`,
    [limit, except],
  );
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }) as OutboxEvent);
}
