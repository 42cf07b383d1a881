import { PassThrough, Readable } from 'node:stream';
import type { ExitCode } from '../exit-codes.ts';
import { run } from '../run.ts';

export interface CliResult {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, without a terminal and with an environment of its own. */
export async function runCli(
  argv: readonly string[],
  given: { readonly environment?: Record<string, string>; readonly stdin?: string } = {},
): Promise<CliResult> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const exitCode = await run(argv, {
    stdin: Readable.from([Buffer.from(given.stdin ?? '')]),
    stdout,
    stderr,
    environment: { HOME: '/nonexistent', ...given.environment },
  });
  return { exitCode, stdout: textOf(stdout), stderr: textOf(stderr) };
}

function textOf(stream: PassThrough): string {
  stream.end();
  const chunks: Buffer[] = [];
  // One read need not give all that was written.
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
