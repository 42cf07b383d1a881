import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { ask } from '../io/prompt.ts';
import { isInteractive } from '../io/terminal.ts';

/** The password of a cosign key: COSIGN_PASSWORD, which may be empty as in cosign, or asked at a terminal. */
export async function keyPassword(context: CommandContext, question: string): Promise<string> {
  const given = context.terminal.environment.COSIGN_PASSWORD;
  if (given !== undefined) return given;
  if (!isInteractive(context.terminal)) {
    throw new CliError(EXIT.usage, 'COSIGN_PASSWORD is not set, and nobody can be asked for the password');
  }
  return ask(context.terminal, question, { hidden: true });
}
