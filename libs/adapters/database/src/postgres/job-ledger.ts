import type { DataSource } from 'typeorm';
import {
  type Job,
  type JobFilter,
  JobLedger,
  type JobPage,
  type JobProgress,
  type JobRequest,
  type JobState,
} from '../ports/job-ledger.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { ANNOUNCE_ENDED, insertJobs } from './job-writer.ts';
import { queryRows } from './sql.ts';

const PAGE_MAX = 500;

export class PostgresJobLedger extends JobLedger {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  enqueue(requests: readonly JobRequest[], within?: StatementRunner): Promise<string[]> {
    if (within !== undefined) return insertJobs(within, requests);
    return this.#source.transaction((manager) => insertJobs(manager, requests));
  }

  async get(id: string): Promise<Job | null> {
    const rows = await queryRows<JobRow>(this.#source, `SELECT ${COLUMNS} FROM job WHERE id = $1`, [id]);
    return rows[0] === undefined ? null : toJob(rows[0]);
  }

  async list(filter: JobFilter, page: { limit: number; after?: string | null }): Promise<JobPage> {
    const limit = Math.min(Math.max(page.limit, 1), PAGE_MAX);
    const rows = await queryRows<JobRow>(
      this.#source,
      // Ids are ordered by time of creation (UUID version 7).
      `SELECT ${COLUMNS} FROM job
       WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR key = $2)
         AND ($3::text[] IS NULL OR state = ANY ($3)) AND ($4::uuid IS NULL OR id < $4)
       ORDER BY id DESC LIMIT $5`,
      [filter.kind ?? null, filter.key ?? null, filter.states ?? null, page.after ?? null, limit + 1],
    );
    const items = rows.slice(0, limit).map(toJob);
    return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
  }

  async requestCancellation(id: string): Promise<Job | null> {
    await this.#source.query(
      `WITH ended AS (
         UPDATE job
         SET cancel_requested = true,
             state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
             error = CASE state WHEN 'queued' THEN 'cancelled before it started' ELSE error END,
             finished_at = CASE state WHEN 'queued' THEN now() ELSE finished_at END
         WHERE id = $1 AND state IN ('queued', 'running')
         RETURNING id, kind, key, state
       )${ANNOUNCE_ENDED}`,
      [id],
    );
    // Workers look at the wish with every heartbeat; this only spares the wait.
    await this.#source.query(`SELECT pg_notify('sluice_job', $1)`, [`cancel:${id}`]);
    return this.get(id);
  }
}

const COLUMNS = `id, kind, key, payload, state, attempts, max_attempts, run_at, cancel_requested, progress, error,
  created_at, finished_at`;

interface JobRow {
  id: string;
  kind: string;
  key: string;
  payload: unknown;
  state: JobState;
  attempts: number;
  max_attempts: number;
  run_at: Date;
  cancel_requested: boolean;
  progress: JobProgress | null;
  error: string | null;
  created_at: Date;
  finished_at: Date | null;
}

function toJob(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    key: row.key,
    payload: row.payload,
    state: row.state,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    runAt: row.run_at,
    cancelRequested: row.cancel_requested,
    progress: row.progress,
    error: row.error,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  };
}
