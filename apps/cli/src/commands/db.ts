import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ApiClient } from '../api/client.ts';
import { describeProgress, waitForJob } from '../api/job.ts';
import type { AdvisorySource, Job, Me } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, formatBytes } from '../io/duration.ts';

export async function importAdvisories(context: CommandContext, paths: readonly string[]): Promise<void> {
  const files = paths.flatMap(filesAt);
  const api = context.api();
  await requireAdministrator(api);
  const jobs: Job[] = [];
  for (const [index, file] of files.entries()) {
    jobs.push(await importFile(context, api, file, `${index + 1}/${files.length} ${labelOf(file)}`));
  }
  await context.output.list(
    jobs,
    [
      { title: 'file', value: (job) => files[jobs.indexOf(job)] },
      { title: 'state', value: (job) => job.state },
      { title: 'imported', value: (job) => (job.progress === null ? null : describeProgress(job)) },
      { title: 'error', value: (job) => job.error },
    ],
    'nothing was imported',
  );
  const failed = jobs.filter((job) => job.state !== 'succeeded');
  if (failed.length > 0) {
    throw new CliError(EXIT.internal, `${failed.length} of ${jobs.length} imports did not succeed`, {
      hint: `the reason stands above and in \`sluice jobs show ${failed[0]?.id}\``,
    });
  }
}

export async function advisoryStatus(context: CommandContext): Promise<void> {
  const sources = await context.api().collect<AdvisorySource>('/advisory-sources');
  await context.output.list(
    sources,
    [
      { title: 'ecosystem', value: (source) => source.ecosystem },
      { title: 'records', value: (source) => source.records },
      { title: 'newest record', value: (source) => source.newest },
      { title: 'imported', value: (source) => source.importedAt },
      { title: 'age', value: (source) => ageOf(source.importedAt) },
    ],
    'no advisory data was ever loaded: `sluice db import` loads it',
  );
}

/** Asked before the upload: a refusal in the middle of one often shows as a broken connection only. */
async function requireAdministrator(api: ApiClient): Promise<void> {
  const me = await api.get<Me>('/me');
  if (me.kind === 'anonymous') {
    throw new CliError(EXIT.unauthenticated, `nobody is logged in to ${api.url}`, {
      hint: 'run `sluice login`',
    });
  }
  if (me.isAdmin !== true) {
    throw new CliError(EXIT.forbidden, `advisories are imported by administrators; ${me.name} is none`);
  }
}

async function importFile(
  context: CommandContext,
  api: ApiClient,
  file: string,
  label: string,
): Promise<Job> {
  const { body } = await api.upload<Job>('/advisory-imports', file, {
    query: { name: labelOf(file) },
    contentType: file.endsWith('.zip') ? 'application/zip' : 'application/octet-stream',
    onProgress: (sent, total) =>
      context.progress.update(`${label}: sent ${formatBytes(sent)} of ${formatBytes(total)}`),
  });
  const job = await waitForJob(api, body.id, (current) =>
    context.progress.update(`${label}: ${describeProgress(current)}`),
  );
  context.progress.end();
  return job;
}

/** The file itself; of a directory every .zip below it, or every single record (.json) where there is none. */
function filesAt(path: string): string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw new CliError(EXIT.usage, `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!isDirectory) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted();
  const archives = names.filter((name) => name.endsWith('.zip'));
  const chosen = archives.length > 0 ? archives : names.filter((name) => name.endsWith('.json'));
  if (chosen.length === 0) {
    throw new CliError(EXIT.usage, `${path} holds neither .zip nor .json files`, {
      hint: 'expected the layout of the OSV distribution: <ecosystem>/all.zip',
    });
  }
  return chosen.map((name) => join(path, name));
}

/** `Debian/all.zip`: the folder tells the archives of the OSV distribution apart. */
function labelOf(file: string): string {
  return join(basename(dirname(file)), basename(file));
}

function ageOf(time: string | null): string | null {
  return time === null ? null : formatAge((Date.now() - Date.parse(time)) / 1000);
}
