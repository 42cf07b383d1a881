import type { JobProgress } from '../ports/job-ledger.ts';
import { type AttemptOutcome, type ClaimedJob, type Heartbeat, JobQueue } from '../ports/job-queue.ts';
import type { Database } from './database.ts';
import { ANNOUNCE_ENDED } from './job-writer.ts';
import { queryRows, sqlState, storableText, UNIQUE_VIOLATION } from './sql.ts';
import { runPlanned } from './transaction.ts';

const CLAIM_LOOKS = 5;
const PROGRESS_UNIT_MAX = 100;
const SUPERSEDED = 'a newer job of the same kind and key does the work';

export class PostgresJobQueue extends JobQueue {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  async claim(
    worker: string,
    slots: ReadonlyMap<string, number>,
    leaseSeconds: number,
  ): Promise<ClaimedJob[]> {
    if (slots.size === 0) return [];
    const parameters = [[...slots.keys()], [...slots.values()], worker, leaseSeconds];
    for (let look = 1; ; look += 1) {
      try {
        return await runPlanned<ClaimedJob>(this.#source, CLAIM, parameters);
      } catch (error) {
        // Another worker started a job of the same kind and key meanwhile; the next look sees it.
        if (sqlState(error) !== UNIQUE_VIOLATION || look === CLAIM_LOOKS) throw error;
      }
    }
  }

  async heartbeat(worker: string, ids: readonly string[], leaseSeconds: number): Promise<Heartbeat> {
    const rows = await queryRows<{ id: string; cancel_requested: boolean }>(
      this.#source,
      `UPDATE job SET lease_until = now() + $3 * interval '1 second'
       WHERE id = ANY ($2) AND worker = $1 AND state = 'running' RETURNING id, cancel_requested`,
      [worker, ids, leaseSeconds],
    );
    return {
      held: new Set(rows.map((row) => row.id)),
      cancelRequested: new Set(rows.filter((row) => row.cancel_requested).map((row) => row.id)),
    };
  }

  async saveProgress(worker: string, id: string, progress: JobProgress): Promise<void> {
    await this.#source.query(
      `UPDATE job SET progress = $3 WHERE id = $2 AND worker = $1 AND state = 'running'`,
      [worker, id, storableProgress(progress)],
    );
  }

  async finish(
    worker: string,
    id: string,
    outcome: AttemptOutcome,
    progress: JobProgress | null = null,
  ): Promise<boolean> {
    const attempt = { worker, id, progress };
    switch (outcome.kind) {
      case 'succeeded':
        return this.#end(attempt, 'succeeded', null);
      case 'failed':
        return this.#end(attempt, 'failed', outcome.error);
      case 'cancelled':
        return this.#end(attempt, 'cancelled', outcome.error);
      case 'retry':
        return this.#requeue(attempt, outcome.error, outcome.delaySeconds, 0);
      case 'released':
        return this.#requeue(attempt, null, 0, 1);
    }
  }

  async recoverStalled(): Promise<number> {
    const stalled = await queryRows<{ id: string; worker: string; last: boolean }>(
      this.#source,
      `SELECT id, worker, attempts >= max_attempts AS last FROM job
       WHERE state = 'running' AND lease_until < now() ORDER BY lease_until LIMIT 100`,
    );
    let recovered = 0;
    for (const { id, worker, last } of stalled) {
      const attempt = { worker, id, progress: null };
      const error = 'the worker was lost before it finished';
      const done = last
        ? await this.#end(attempt, 'failed', `${error}, and this was the last attempt`, EXPIRED)
        : await this.#requeue(attempt, error, 0, 0, EXPIRED);
      if (done) recovered += 1;
    }
    return recovered;
  }

  async endLeases(): Promise<void> {
    await this.#source.query(`UPDATE job SET lease_until = '-infinity' WHERE state = 'running'`);
  }

  async secondsToNextDue(kinds: readonly string[]): Promise<number | null> {
    const rows = await runPlanned<{ seconds: number }>(
      this.#source,
      `SELECT greatest(extract(epoch FROM min(due.run_at) - now()), 0)::float8 AS seconds
       FROM unnest($1::text[]) AS wanted (kind)
       CROSS JOIN LATERAL (
         SELECT run_at FROM job
         WHERE kind = wanted.kind AND state = 'queued'
           AND NOT EXISTS (
             SELECT FROM job AS other
             WHERE other.kind = job.kind AND other.key = job.key AND other.state = 'running'
           )
         ORDER BY run_at LIMIT 1
       ) AS due
       HAVING count(*) > 0`,
      [kinds],
    );
    return rows[0]?.seconds ?? null;
  }

  async prune(finishedForSeconds: number): Promise<number> {
    const rows = await queryRows<{ id: string }>(
      this.#source,
      `DELETE FROM job WHERE finished_at < now() - $1 * interval '1 second' RETURNING id`,
      [finishedForSeconds],
    );
    return rows.length;
  }

  async #end(
    { worker, id, progress }: Attempt,
    state: 'succeeded' | 'failed' | 'cancelled',
    error: string | null,
    condition = '',
  ): Promise<boolean> {
    const rows = await runPlanned<object>(
      this.#source,
      `WITH ended AS (
         UPDATE job SET state = $3, error = $4, progress = coalesce($5, progress), finished_at = now(),
           lease_until = NULL, worker = NULL
         WHERE id = $2 AND worker = $1 AND state = 'running' ${condition}
         RETURNING id, kind, key, state
       )${ANNOUNCE_ENDED}`,
      [worker, id, state, error === null ? null : storableText(error), storableProgress(progress)],
    );
    return rows.length > 0;
  }

  async #requeue(
    attempt: Attempt,
    error: string | null,
    delaySeconds: number,
    refund: number,
    condition = '',
  ): Promise<boolean> {
    const { worker, id, progress } = attempt;
    try {
      // Not beside others on one connection: it may wait for whoever queues the same job.
      const rows = await queryRows<object>(
        this.#source,
        `WITH ended AS (
           UPDATE job SET run_at = now() + $3 * interval '1 second', error = coalesce($4, error), dispatched_until = NULL,
             attempts = attempts - $5, progress = coalesce($6, progress), lease_until = NULL, worker = NULL,
             state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
             finished_at = CASE WHEN cancel_requested THEN now() END
           WHERE id = $2 AND worker = $1 AND state = 'running' ${condition}
           RETURNING id, kind, key, state
         )${ANNOUNCE_ENDED}`,
        [
          worker,
          id,
          delaySeconds,
          error === null ? null : storableText(error),
          refund,
          storableProgress(progress),
        ],
      );
      return rows.length > 0;
    } catch (failure) {
      if (sqlState(failure) !== UNIQUE_VIOLATION) throw failure;
      const why = error === null ? SUPERSEDED : `${error} (${SUPERSEDED})`;
      return this.#end(attempt, 'cancelled', why, condition);
    }
  }
}

interface Attempt {
  readonly worker: string;
  readonly id: string;
  readonly progress: JobProgress | null;
}

function storableProgress(progress: JobProgress | null): string | null {
  return progress === null
    ? null
    : JSON.stringify({ ...progress, unit: storableText(progress.unit, PROGRESS_UNIT_MAX) });
}

const EXPIRED = 'AND lease_until < now()';

const CLAIM = `
  WITH due AS (
    SELECT picked.id
    FROM unnest($1::text[], $2::int[]) AS wanted (kind, free)
    CROSS JOIN LATERAL (
      SELECT job.id FROM job
      WHERE job.kind = wanted.kind AND job.state = 'queued' AND job.run_at <= now()
        AND NOT EXISTS (
          SELECT FROM job AS other
          WHERE other.kind = job.kind AND other.key = job.key AND other.state = 'running'
        )
      ORDER BY job.run_at, job.id
      LIMIT wanted.free
      FOR UPDATE OF job SKIP LOCKED
    ) AS picked
  )
  UPDATE job SET state = 'running', attempts = attempts + 1, worker = $3, cancel_requested = false,
    lease_until = now() + $4 * interval '1 second', progress = NULL
  FROM due WHERE job.id = due.id
  RETURNING job.id, job.kind, job.key, job.payload, job.attempts AS attempt, job.max_attempts AS "maxAttempts"`;
