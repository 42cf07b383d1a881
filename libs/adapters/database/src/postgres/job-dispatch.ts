import type { DataSource } from 'typeorm';
import { type DispatchedJob, JobDispatch } from '../ports/job-dispatch.ts';
import { queryRows } from './sql.ts';

export class PostgresJobDispatch extends JobDispatch {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async take(
    limits: ReadonlyMap<string, number>,
    horizonSeconds: number,
    noteSeconds: number,
  ): Promise<DispatchedJob[]> {
    if (limits.size === 0) return [];
    return queryRows<DispatchedJob>(
      this.#source,
      `WITH open AS (
         SELECT picked.id
         FROM unnest($1::text[], $2::int[]) AS wanted (kind, free)
         CROSS JOIN LATERAL (
           SELECT job.id FROM job
           WHERE job.kind = wanted.kind AND job.state = 'queued' AND job.dispatched_until IS NULL
             AND job.run_at <= now() + $3 * interval '1 second'
             AND NOT EXISTS (
               SELECT FROM job AS other
               WHERE other.kind = job.kind AND other.key = job.key AND other.state = 'running'
             )
           ORDER BY job.run_at, job.id
           LIMIT wanted.free
           FOR UPDATE OF job SKIP LOCKED
         ) AS picked
       ), sent AS (
         UPDATE job SET dispatched_until = greatest(run_at, now()) + $4 * interval '1 second'
         FROM open WHERE job.id = open.id
         RETURNING job.id, job.kind, job.run_at
       )
       SELECT id, kind, greatest(extract(epoch FROM run_at - now()), 0)::float8 AS "delaySeconds",
         (extract(epoch FROM run_at) * 1000000)::bigint::text AS "startMicros"
       FROM sent ORDER BY run_at, id`,
      [[...limits.keys()], [...limits.values()], horizonSeconds, noteSeconds],
    );
  }

  async takeBack(kinds: readonly string[] | null): Promise<void> {
    await this.#source.query(
      `WITH back AS (
         UPDATE job SET dispatched_until = NULL
         WHERE state = 'queued' AND dispatched_until IS NOT NULL AND ($1::text[] IS NULL OR kind = ANY ($1))
         RETURNING kind
       )
       SELECT pg_notify('sluice_job', kind) FROM (SELECT DISTINCT kind FROM back) AS woken`,
      [kinds],
    );
  }

  async expire(): Promise<number> {
    const rows = await queryRows<{ id: string }>(
      this.#source,
      `UPDATE job SET dispatched_until = NULL WHERE state = 'queued' AND dispatched_until < now() RETURNING id`,
    );
    return rows.length;
  }
}
