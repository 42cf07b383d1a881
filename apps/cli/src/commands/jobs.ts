import { describeProgress } from '../api/job.ts';
import type { Job } from '../api/types.ts';
import type { CommandContext } from '../context.ts';
import type { Cell } from '../io/table.ts';

export async function listJobs(
  context: CommandContext,
  options: { readonly state?: string; readonly kind?: string; readonly limit: number },
): Promise<void> {
  const items = await context
    .api()
    .collect<Job>('/jobs', { state: options.state, kind: options.kind }, options.limit);
  await context.output.list(
    items,
    [
      { title: 'id', value: (job) => job.id },
      { title: 'kind', value: (job) => job.kind },
      { title: 'state', value: (job) => job.state },
      { title: 'progress', value: (job) => (job.progress === null ? null : describeProgress(job)) },
      { title: 'attempts', value: (job) => job.attempts },
      { title: 'created', value: (job) => job.createdAt },
      { title: 'about', value: (job) => job.key },
      { title: 'error', value: (job) => job.error },
    ],
    'no jobs match',
  );
}

export async function showJob(context: CommandContext, id: string): Promise<void> {
  const job = await context.api().get<Job>(`/jobs/${encodeURIComponent(id)}`);
  await context.output.item(job, fieldsOf(job));
}

export async function cancelJob(context: CommandContext, id: string): Promise<void> {
  const job = await context.api().post<Job>(`/jobs/${encodeURIComponent(id)}/cancellation`, {});
  await context.output.item(job, fieldsOf(job));
}

function fieldsOf(job: Job): (readonly [string, Cell])[] {
  return [
    ['id', job.id],
    ['kind', job.kind],
    ['about', job.key],
    ['state', job.state],
    ['progress', job.progress === null ? null : describeProgress(job)],
    ['attempts', job.attempts],
    ['created', job.createdAt],
    ['finished', job.finishedAt],
    ['error', job.error],
  ];
}
