import { readFileSync } from 'node:fs';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { readStdin } from '../io/terminal.ts';

/** Text of a file that an option names; `-` is standard input. */
export async function readInput(context: CommandContext, path: string): Promise<string> {
  if (path === '-') return readStdin(context.terminal);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(EXIT.usage, `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
