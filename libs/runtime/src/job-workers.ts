import { type Dispatcher, type JobHandler } from '@sluice/jobs';
import { BullDispatcher } from '@sluice/jobs/bull';
import { LocalDispatcher } from '@sluice/jobs/local';
import type { Logger, Metrics } from '@sluice/platform';
import type { RedisPlace } from './redis-place.ts';
import type { State } from './state.ts';
import type { Stores } from './stores.ts';

export interface JobParts {
  readonly state: State;
  readonly stores: Stores;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly redis: RedisPlace | null;
}

/** The work that a process does: a handler for each kind of job, and how many of a kind it does at once (1 unless said). */
export interface JobWork {
  readonly handlers: Readonly<Record<string, JobHandler>>;
  readonly concurrency?: Readonly<Record<string, number>>;
}

/** Starts to do the work of this process; what it has no handler for is left to others. */
export async function startJobs(parts: JobParts, work: JobWork): Promise<Dispatcher> {
  const { logger, metrics } = parts;
  const dispatcher = createDispatcher(parts);
  await dispatcher.start(observed(work.handlers, logger, metrics), {
    concurrency: work.concurrency ?? {},
  });
  return dispatcher;
}

function createDispatcher({ state, stores, logger, redis }: JobParts): Dispatcher {
  const { notifications } = state;
  const onError = reportTo(logger);
  if (redis === null) return new LocalDispatcher(stores.jobQueue, notifications, { onError });
  return new BullDispatcher({ queue: stores.jobQueue, dispatch: stores.jobDispatch, notifications }, redis, {
    onError,
    onRedisLost: (cause) =>
      logger.warn({ event: 'jobs.redis-lost', err: cause }, 'Jobs run without Redis until it is back'),
    onRedisBack: () => logger.info({ event: 'jobs.redis-back' }, 'Jobs run by way of Redis again'),
  });
}

/** For the faults of whatever works in the background. */
export function reportTo(logger: Logger): (error: unknown) => void {
  return (error) => logger.error({ event: 'worker.fault', err: error }, 'A worker met a fault and goes on');
}

/** Logs and counts how jobs end. */
function observed(
  handlers: Readonly<Record<string, JobHandler>>,
  logger: Logger,
  metrics: Metrics,
): Record<string, JobHandler> {
  return Object.fromEntries(
    Object.entries(handlers).map(([kind, handler]) => [
      kind,
      async (payload: unknown, context: Parameters<JobHandler>[1]) => {
        try {
          await handler(payload, context);
          metrics.jobs.inc({ kind, result: 'succeeded' });
          logger.debug({ event: 'job.succeeded', kind, jobId: context.jobId }, 'A job is done');
        } catch (error) {
          metrics.jobs.inc({ kind, result: 'failed' });
          const record = {
            event: 'job.failed',
            kind,
            jobId: context.jobId,
            attempt: context.attempt,
            err: error,
          };
          logger.warn(record, 'An attempt at a job failed');
          throw error;
        }
      },
    ]),
  );
}
