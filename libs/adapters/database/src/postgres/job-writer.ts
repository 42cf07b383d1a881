import { newId } from '../ids.ts';
import type { JobRequest } from '../ports/job-ledger.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { queryRows } from './sql.ts';

const DEFAULT_MAX_ATTEMPTS = 5;

/** A job joins the one of its kind and key that is queued already. */
const JOINED = `ON CONFLICT (kind, key) WHERE state = 'queued' DO UPDATE
  SET payload = excluded.payload, max_attempts = excluded.max_attempts, attempts = 0,
    run_at = least(job.run_at, excluded.run_at), dispatched_until = NULL`;

/**
 * Queues jobs in the caller's transaction and wakes the dispatchers when that commits. Returns the ids in the order
 * of the requests.
 *
 * The conflict is an update and not "do nothing", because the update locks the queued row: no worker can start it
 * with a view of the data from before this transaction. Rows are written in key order, so that two transactions
 * that queue the same jobs wait for each other instead of deadlocking.
 */
export async function insertJobs(
  runner: StatementRunner,
  requests: readonly JobRequest[],
): Promise<string[]> {
  if (requests.length === 0) return [];
  const byKey = new Map<string, JobRequest>();
  for (const request of requests) byKey.set(identity(request), request);
  const distinct = [...byKey.values()];
  const rows = await queryRows<{ id: string; kind: string; key: string }>(
    runner,
    `INSERT INTO job (id, kind, key, payload, max_attempts, run_at)
     SELECT id, kind, key, payload, max_attempts, now() + delay * interval '1 second'
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::int[], $6::float8[])
       AS request (id, kind, key, payload, max_attempts, delay)
     ORDER BY kind, key ${JOINED}
     RETURNING id, kind, key, pg_notify('sluice_job', kind)`,
    [
      distinct.map(() => newId()),
      distinct.map((request) => request.kind),
      distinct.map((request) => request.key),
      distinct.map((request) => JSON.stringify(request.payload ?? {})),
      distinct.map((request) => request.maxAttempts ?? DEFAULT_MAX_ATTEMPTS),
      distinct.map((request) => request.delaySeconds ?? 0),
    ],
  );
  const ids = new Map(rows.map((row) => [identity(row), row.id]));
  return requests.map((request) => ids.get(identity(request)) ?? '');
}

/** As `newId()`: a UUID version 7. */
const NEW_ID = `(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' ||
  substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid`;

/** Queues the judgement of every index that names the artifact, as {@link insertJobs} would, in one statement. */
export async function judgeParents(runner: StatementRunner, manifestId: string): Promise<void> {
  await runner.query(
    `INSERT INTO job (id, kind, key, payload, max_attempts)
     SELECT ${NEW_ID}, 'verdict.evaluate', parent_id::text, jsonb_build_object('manifestId', parent_id), $2
     FROM (SELECT DISTINCT parent_id FROM manifest_child WHERE child_id = $1 ORDER BY parent_id) AS parent ${JOINED}
     RETURNING pg_notify('sluice_job', kind)`,
    [manifestId, DEFAULT_MAX_ATTEMPTS],
  );
}

function identity(job: { kind: string; key: string }): string {
  return JSON.stringify([job.kind, job.key]);
}

/** By far the most jobs are of these kinds, and nothing waits for their end. */
const UNANNOUNCED_KINDS = ['verdict.evaluate', 'verdict.sweep'];

/**
 * Completes a statement that begins with `WITH ended AS (UPDATE job … RETURNING id, kind, key, state)`: writes the
 * `job.finished` event of what ended for good, and wakes dispatchers where it, or another of the same key, is queued.
 * One that is queued at this very moment is not seen here: whoever ran the job must look for more in any case.
 */
export const ANNOUNCE_ENDED = `,
  announced AS (
    INSERT INTO outbox (id, type, subject, payload)
    SELECT gen_random_uuid(), 'job.finished', kind || ' ' || key,
      jsonb_build_object('jobId', id, 'kind', kind, 'key', key, 'state', state)
    FROM ended WHERE state IN ('succeeded', 'failed', 'cancelled') AND kind NOT IN (${UNANNOUNCED_KINDS.map((kind) => `'${kind}'`).join(', ')})
    RETURNING pg_notify('sluice_outbox', '')
  ),
  waiting AS (
    SELECT ended.id, pg_notify('sluice_job', ended.kind) FROM ended
    WHERE ended.state = 'queued' OR EXISTS (
      SELECT FROM job other WHERE other.kind = ended.kind AND other.key = ended.key AND other.state = 'queued')
  )
  SELECT ended.id FROM ended LEFT JOIN announced ON true LEFT JOIN waiting ON true`;
