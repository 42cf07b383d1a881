import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate, openDatabase, PostgresJobLedger, queryRows } from '@sluice/database/postgres';
import { Daemon } from '../../distributed/daemon.ts';
import { assert, assertEqual } from '../checklist.ts';
import { ROOT } from '../paths.ts';
import { KINDS, type Task } from './tasks.ts';

const NODE = join(ROOT, 'node_modules', '.bin', 'node');
/** No job may need more; with so many attempts a killed worker never ends one. */
const MAX_ATTEMPTS = 50;

export interface FleetOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Of the keys, so that scenarios do not meet. */
  readonly prefix: string;
  readonly pollSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

type Database = Awaited<ReturnType<typeof openDatabase>>;

interface Run {
  readonly job: string;
  readonly key: string;
  readonly attempt: number;
  readonly pid: number;
  readonly started: number;
  readonly ended: number | null;
}

/** Worker processes on one database and one Redis, with a record of everything they did. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #database: Database;
  readonly ledger: PostgresJobLedger;
  readonly #workers: Daemon[] = [];
  readonly #jobs = new Map<string, Task>();
  /** When a worker was dead for certain, by its process id and on the database's clock. */
  readonly #deaths = new Map<number, number>();

  private constructor(options: FleetOptions, database: Database) {
    this.#options = options;
    this.#database = database;
    this.ledger = new PostgresJobLedger(database);
  }

  /** Empties the tables of an earlier scenario. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const database = await openDatabase({ url: options.databaseUrl, poolSize: 5 });
    await migrate(database);
    await database.query(`CREATE TABLE IF NOT EXISTS run (id bigserial PRIMARY KEY, job uuid NOT NULL, key text NOT NULL,
      attempt int NOT NULL, pid int NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz)`);
    await database.query('CREATE TABLE IF NOT EXISTS effect (job uuid PRIMARY KEY, key text NOT NULL)');
    await database.query('TRUNCATE run, effect, job, outbox');
    return new Fleet(options, database);
  }

  async addWorker(): Promise<void> {
    const { databaseUrl, redisUrl, prefix, pollSeconds = 15, environment = {} } = this.#options;
    const child = spawn(NODE, [join(ROOT, 'tools', 'system', 'jobs', 'worker.ts')], {
      env: {
        ...process.env,
        SLUICE_DATABASE_URL: databaseUrl,
        SLUICE_REDIS_URL: redisUrl,
        SLUICE_REDIS_PREFIX: prefix,
        POLL_SECONDS: String(pollSeconds),
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const worker = new Daemon('worker', child);
    await worker.until(() => worker.output.includes('working\n'));
    this.#workers.push(worker);
  }

  async addWorkers(count: number): Promise<void> {
    for (let number = 0; number < count; number += 1) await this.addWorker();
  }

  /** `kill -9` of the worker that is longest there. */
  async killWorker(): Promise<void> {
    const worker = this.#workers.shift();
    assert(worker !== undefined, 'there is no worker to kill');
    await worker.kill();
    this.#deaths.set(worker.pid, await this.#now());
  }

  /** What the workers said of Redis. */
  get output(): string {
    return this.#workers.map((worker) => worker.output).join('\n');
  }

  /** Queues tasks of both kinds; of every ten one fails at first. */
  async enqueue(count: number, milliseconds: number, name = 'task'): Promise<void> {
    const offset = this.#jobs.size;
    const tasks = Array.from({ length: count }, (_, index) => ({
      key: `${name}-${offset + index}`,
      milliseconds,
      failures: index % 10 === 3 ? 1 : 0,
    }));
    const ids = await this.ledger.enqueue(
      tasks.map((task, index) => ({
        kind: KINDS[index % KINDS.length] ?? '',
        key: task.key,
        payload: task,
        maxAttempts: MAX_ATTEMPTS,
      })),
    );
    ids.forEach((id, index) => this.#jobs.set(id, tasks[index] as Task));
  }

  async untilDone(withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const open = await this.open();
      if (open === 0) return;
      if (Date.now() > deadline) {
        const rows = await queryRows<{ line: string }>(
          this.#database,
          `SELECT concat_ws(' ', kind, key, state, attempts, run_at - now(), lease_until - now(), dispatched_until - now()) AS line
           FROM job WHERE finished_at IS NULL LIMIT 5`,
        );
        throw new Error(
          `${open} jobs are still open after ${withinMs / 1000} s, e.g.\n${rows.map(({ line }) => line).join('\n')}\n${this.output.slice(-3000)}`,
        );
      }
      await sleep(100);
    }
  }

  async open(): Promise<number> {
    return this.#count('SELECT count(*)::int AS count FROM job WHERE finished_at IS NULL');
  }

  async effects(): Promise<number> {
    return this.#count('SELECT count(*)::int AS count FROM effect');
  }

  /**
   * Every job succeeded with one effect, no two runs of one overlapped, and its attempts are its runs. A worker that
   * died between taking a job and noting the run has left an attempt without a run; there are no more of those than
   * jobs that the dead could hold.
   */
  async verify(): Promise<string> {
    for (const worker of this.#workers)
      assert(!worker.hasEnded, `a worker ended by itself:\n${worker.output}`);
    const jobs = await queryRows<{ id: string; state: string; attempts: number; effects: number }>(
      this.#database,
      `SELECT id, state, attempts, (SELECT count(*) FROM effect WHERE effect.job = job.id)::int AS effects FROM job`,
    );
    assertEqual(jobs.length, this.#jobs.size, 'jobs in the ledger');
    const runs = await this.#runs();
    let missing = 0;
    for (const job of jobs) {
      assertEqual([job.state, job.effects], ['succeeded', 1], `state and effects of job ${job.id}`);
      missing += this.#verifyRuns(job, runs.get(job.id) ?? []);
    }
    assert(
      missing <= this.#deaths.size * 6,
      `${missing} attempts without a run after ${this.#deaths.size} deaths`,
    );
    const all = [...runs.values()].flat();
    const cut = all.filter((run) => run.ended === null).length;
    return `${jobs.length} jobs, ${all.length} runs, ${cut} cut off by ${this.#deaths.size} deaths`;
  }

  /** Seconds from queueing to the first start, the slowest of all. */
  async slowestStart(): Promise<number> {
    const rows = await queryRows<{ seconds: number }>(
      this.#database,
      `SELECT extract(epoch FROM max(first.started - job.created_at))::float8 AS seconds FROM job
       JOIN (SELECT job, min(started_at) AS started FROM run GROUP BY job) AS first ON first.job = job.id`,
    );
    return rows[0]?.seconds ?? 0;
  }

  /** How many worker processes ran anything. */
  async busyWorkers(): Promise<number> {
    return this.#count('SELECT count(DISTINCT pid)::int AS count FROM run');
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    await this.#database.destroy();
  }

  /** Returns how many attempts have no run. */
  #verifyRuns(job: { id: string; attempts: number }, runs: readonly Run[]): number {
    const task = this.#jobs.get(job.id);
    for (const [index, run] of runs.entries()) {
      const next = runs[index + 1];
      const end = run.ended ?? this.#deaths.get(run.pid);
      assert(end !== undefined, `a run of ${run.key} never ended although its worker lives`);
      if (next === undefined) continue;
      assert(next.started >= end, `two runs of ${run.key} at once: ${run.pid} and ${next.pid}`);
      assert(next.attempt > run.attempt, `attempt ${next.attempt} of ${run.key} follows ${run.attempt}`);
    }
    const cut = runs.filter((run) => run.ended === null).length;
    if (cut === 0 && this.#deaths.size === 0) {
      assertEqual(runs.length, (task?.failures ?? 0) + 1, `runs of ${task?.key}`);
    }
    const missing = job.attempts - runs.length;
    assert(missing >= 0, `${task?.key} ran ${runs.length} times in ${job.attempts} attempts`);
    return missing;
  }

  async #runs(): Promise<Map<string, Run[]>> {
    const rows = await queryRows<Run>(
      this.#database,
      `SELECT job, key, attempt, pid, extract(epoch FROM started_at)::float8 AS started,
         extract(epoch FROM ended_at)::float8 AS ended
       FROM run ORDER BY started_at`,
    );
    return Map.groupBy(rows, (run) => run.job);
  }

  async #now(): Promise<number> {
    const rows = await queryRows<{ now: number }>(
      this.#database,
      'SELECT extract(epoch FROM clock_timestamp())::float8 AS now',
    );
    return rows[0]?.now ?? 0;
  }

  async #count(sql: string): Promise<number> {
    return (await queryRows<{ count: number }>(this.#database, sql))[0]?.count ?? 0;
  }
}
