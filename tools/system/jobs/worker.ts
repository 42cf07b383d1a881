/** A worker process of the jobs test: notes the begin and the end of every run in tables, and can be killed at any time. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  openDatabase,
  PostgresJobDispatch,
  PostgresJobQueue,
  PostgresNotifications,
} from '@sluice/database/postgres';
import type { JobHandler } from '@sluice/jobs';
import { BullDispatcher } from '@sluice/jobs/bull';
import { KINDS, type Task } from './tasks.ts';

const url = process.env['SLUICE_DATABASE_URL'] ?? '';
const redis = {
  url: process.env['SLUICE_REDIS_URL'] ?? '',
  prefix: process.env['SLUICE_REDIS_PREFIX'] ?? 'jobs',
};
const pollSeconds = Number(process.env['POLL_SECONDS'] ?? 15);

const source = await openDatabase({ url, poolSize: 5, applicationName: 'jobs-test-worker' });
const notifications = new PostgresNotifications({ url });
const ports = {
  queue: new PostgresJobQueue(source),
  dispatch: new PostgresJobDispatch(source),
  notifications,
};
const dispatcher = new BullDispatcher(ports, redis, {
  leaseSeconds: 8,
  pollSeconds,
  backOff: { baseSeconds: 0.2, maxSeconds: 1 },
  onError: (error) => process.stderr.write(`fault: ${String(error)}\n`),
  onRedisLost: (cause) => process.stderr.write(`lost: ${cause.message}\n`),
  onRedisBack: () => process.stderr.write('back\n'),
});

const work: JobHandler = async (payload, { jobId, attempt }) => {
  const { key, milliseconds, failures } = payload as Task;
  const rows = (await source.query(
    'INSERT INTO run (job, key, attempt, pid) VALUES ($1, $2, $3, $4) RETURNING id',
    [jobId, key, attempt, process.pid],
  )) as { id: string }[];
  await sleep(milliseconds);
  if (attempt > failures) {
    await source.query('INSERT INTO effect (job, key) VALUES ($1, $2) ON CONFLICT (job) DO NOTHING', [
      jobId,
      key,
    ]);
  }
  await source.query('UPDATE run SET ended_at = clock_timestamp() WHERE id = $1', [rows[0]?.id]);
  if (attempt <= failures) throw new Error('as the task wants it');
};
await dispatcher.start(Object.fromEntries(KINDS.map((kind) => [kind, work])), { defaultConcurrency: 3 });
process.stdout.write('working\n');

process.once('SIGTERM', () => {
  void dispatcher.stop({ graceMs: 5_000 }).then(async () => {
    await notifications.close();
    await source.destroy();
    process.exit(0);
  });
});
