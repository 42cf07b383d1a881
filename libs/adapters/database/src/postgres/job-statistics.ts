import type { DataSource } from 'typeorm';
import { type JobFigures, JobStatistics } from '../ports/job-statistics.ts';
import { queryRows } from './sql.ts';

export class PostgresJobStatistics extends JobStatistics {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async read(): Promise<JobFigures> {
    const [figures] = await queryRows<JobFigures>(
      this.#source,
      // One look per state, each on the partial index that covers it.
      `SELECT due.due, due."oldestDueSeconds",
         (SELECT count(*) FROM job WHERE state = 'running')::int AS running,
         (SELECT count(*) FROM job WHERE finished_at > now() - interval '1 day' AND state = 'failed')::int
           AS "failedLastDay"
       FROM (
         SELECT count(*)::int AS due,
           extract(epoch FROM now() - min(run_at))::float8 AS "oldestDueSeconds"
         FROM job WHERE state = 'queued' AND run_at <= now()
       ) AS due`,
    );
    if (figures === undefined) throw new Error('an aggregate returned no row');
    return figures;
  }
}
