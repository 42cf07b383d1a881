import { resolveArtifact } from '../api/artifact.ts';
import type { ApiClient } from '../api/client.ts';
import { throughOutages } from '../api/job.ts';
import type { Verdict } from '../api/types.ts';
import type { CommandContext } from '../context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { printableLine } from '../io/text.ts';
import { exitCodeOf, stateText } from './verdict-text.ts';

/** The server holds a request at most 30 s; some proxies give up there too. */
const LONG_POLL_SECONDS = 25;

export interface VerdictOptions {
  readonly wait?: number;
  readonly failOn: 'red' | 'amber';
}

export async function verdict(
  context: CommandContext,
  reference: string,
  options: VerdictOptions,
): Promise<ExitCode> {
  const api = context.api(reference);
  const artifact = await resolveArtifact(api, reference);
  const found = await awaitVerdict(context, api, artifact.id, options.wait ?? 0);
  await context.output.report(found, () => textOf(context, reference, found));
  return exitCodeOf(found, options.failOn);
}

async function awaitVerdict(
  context: CommandContext,
  api: ApiClient,
  artifactId: string,
  waitSeconds: number,
): Promise<Verdict> {
  const startedAt = Date.now();
  for (;;) {
    const left = waitSeconds - (Date.now() - startedAt) / 1000;
    const wait = Math.max(0, Math.min(LONG_POLL_SECONDS, Math.ceil(left)));
    const read = (): Promise<Verdict> =>
      api.get<Verdict>(`/artifacts/${artifactId}/verdict`, { query: { wait }, waitSeconds: wait });
    const found = left > 0 ? await throughOutages(read, left * 1000) : await read();
    if (found.state !== 'pending' || left <= 0) return found;
    context.progress.update(`pending: ${found.summary ?? 'waiting for evidence'}`);
  }
}

function textOf({ output }: CommandContext, reference: string, found: Verdict): string {
  const lines = [
    `${stateText(output, found.state)}  ${printableLine(reference)}`,
    `  ${found.artifact.digest}`,
    ...(found.summary === null ? [] : [`  ${printableLine(found.summary)}`]),
    `  ${found.url}`,
  ];
  return `${lines.join('\n')}\n`;
}
