import { type Command, CommanderError } from 'commander';
import { ProblemError } from './api/problem.ts';
import { CliError } from './cli-error.ts';
import { type Bind, CommandContext, type GlobalOptions, type Handler } from './context.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { Terminal } from './io/terminal.ts';
import { printable } from './io/text.ts';
import { normaliseArguments } from './normalise-arguments.ts';
import { buildProgram } from './program.ts';

/** Runs one command line and returns its exit code. Never throws. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.green;
  const bind: Bind =
    <Args extends unknown[]>(load: () => Promise<Handler<Args>>) =>
    async (...raw: unknown[]) => {
      const command = raw.at(-1) as Command;
      const context = new CommandContext(terminal, command.optsWithGlobals<GlobalOptions>());
      const handler = await load();
      try {
        // Commander hands over the declared arguments and the options, in that order, and the command itself last.
        exitCode = (await handler(context, ...(raw.slice(0, -1) as Args))) ?? EXIT.green;
      } finally {
        context.progress.end();
      }
    };
  const isJson = wantsJson(argv);
  const program = buildProgram(bind, {
    writeOut: (text) => void terminal.stdout.write(text),
    // With JSON the failure is told once, as a problem.
    writeErr: (text) => void (isJson || terminal.stderr.write(text)),
  });
  try {
    await program.parseAsync(normaliseArguments(argv), { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, isJson, terminal);
  }
}

/** Tells the failure on stderr, as problem+json when JSON was asked for, and returns the exit code that it means. */
function report(error: unknown, isJson: boolean, terminal: Terminal): ExitCode {
  // Help and version that were asked for are no failure.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.green;
  const failure = error instanceof CliError ? error : null;
  const exitCode = error instanceof CommanderError ? EXIT.usage : (failure?.exitCode ?? EXIT.internal);
  if (isJson) {
    terminal.stderr.write(`${JSON.stringify(problemOf(error, exitCode), null, 2)}\n`);
    return exitCode;
  }
  // Commander has printed its own message already.
  if (error instanceof CommanderError) return exitCode;
  terminal.stderr.write(`error: ${printable(messageOf(error))}\n`);
  if (failure?.hint !== undefined) terminal.stderr.write(`hint: ${printable(failure.hint)}\n`);
  if (failure === null) {
    terminal.stderr.write('hint: this is a fault of sluice itself; set SLUICE_DEBUG=1 to see where\n');
    const { stack } = error as Error;
    if (terminal.environment.SLUICE_DEBUG === '1') terminal.stderr.write(`${stack ?? String(error)}\n`);
  }
  if (error instanceof ProblemError && error.problem.requestId !== undefined) {
    terminal.stderr.write(`request: ${printable(error.problem.requestId)}\n`);
  }
  return exitCode;
}

function problemOf(error: unknown, exitCode: ExitCode): object {
  if (error instanceof ProblemError) return error.problem;
  const hint = error instanceof CliError ? error.hint : undefined;
  return {
    type: 'urn:sluice:problem:cli',
    title: messageOf(error),
    exitCode,
    ...(hint === undefined ? {} : { hint }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Read from the raw arguments, because the failure may be one of parsing them. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (argument, index) =>
      argument === '-ojson' ||
      argument === '--output=json' ||
      ((argument === '-o' || argument === '--output') && argv[index + 1] === 'json'),
  );
}
