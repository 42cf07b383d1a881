import { describeProgress, waitForJob } from '../api/job.ts';
import type { Job, StorageKeyReport } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';

export async function storageStatus(context: CommandContext): Promise<void> {
  await show(context, await context.api().get<StorageKeyReport>('/storage/keys'));
}

export async function rewrapStorage(context: CommandContext): Promise<void> {
  const api = context.api();
  const started = await api.post<Job>('/storage/rewraps', {});
  const job = await waitForJob(api, started.id, (current) =>
    context.progress.update(describeProgress(current)),
  );
  context.progress.end();
  await context.output.item(job, [
    ['job', job.id],
    ['state', job.state],
    ['rewrapped', job.progress === null ? null : describeProgress(job)],
    ['error', job.error],
  ]);
  if (job.state !== 'succeeded') {
    throw new CliError(EXIT.internal, `the job ended as ${job.state}`, {
      hint: 'what is done is done: `sluice storage rewrap` goes on with the rest',
    });
  }
}

export async function setKeyDomain(context: CommandContext, path: string, domain: string): Promise<void> {
  await show(context, await context.api().put<StorageKeyReport>('/storage/key-domains', { path, domain }));
}

export async function clearKeyDomain(context: CommandContext, path: string): Promise<void> {
  await show(
    context,
    await context.api().put<StorageKeyReport>('/storage/key-domains', { path, domain: null }),
  );
}

async function show(context: CommandContext, report: StorageKeyReport): Promise<void> {
  if (context.output.format !== 'table') return context.output.data(report);
  if (!report.encrypts) {
    context.output.note('nothing that is pushed now is encrypted: SLUICE_ENCRYPTION_KEY_FILE is not set');
  }
  await context.output.list(
    report.keys,
    [
      { title: 'key', value: (key) => key.id },
      { title: 'domain', value: (key) => key.domain ?? '(shared)' },
      { title: 'state', value: (key) => key.state },
      { title: 'objects', value: (key) => key.objects },
      { title: 'uploads', value: (key) => key.uploads },
      {
        title: 'groups and projects',
        value: (key) =>
          report.domains
            .filter(({ domain }) => domain === key.domain)
            .map(({ path }) => path)
            .join(', '),
      },
    ],
    'there are no keys',
  );
}
