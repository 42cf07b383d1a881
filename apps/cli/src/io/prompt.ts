import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** Asks on stderr, so that stdout stays data. Callers ask only when the terminal is interactive. */
export function ask(
  terminal: Terminal,
  question: string,
  options: { hidden?: boolean } = {},
): Promise<string> {
  terminal.stderr.write(question);
  const echo = options.hidden
    ? new Writable({ write: (_chunk, _encoding, done) => done() })
    : (terminal.stderr as NodeJS.WritableStream);
  const lines = createInterface({ input: terminal.stdin, output: echo, terminal: true });
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => {
      if (options.hidden) terminal.stderr.write('\n');
      resolve(line);
      lines.close();
    });
    lines.once('SIGINT', () => {
      lines.close();
      reject(new CliError(EXIT.interrupted, 'interrupted'));
    });
    lines.once('close', () => reject(new CliError(EXIT.usage, 'no answer was given')));
  });
}
