/** Everything that a command may touch of the process it runs in; tests give their own. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A person can answer questions: both ends are terminals, and this is no CI job. */
export function isInteractive(terminal: Terminal): boolean {
  const { CI } = terminal.environment;
  const isCi = CI !== undefined && CI !== '' && CI !== 'false' && CI !== '0';
  return terminal.stdin.isTTY === true && terminal.stderr.isTTY === true && !isCi;
}

/** https://no-color.org: any non-empty value of NO_COLOR switches colours off. */
export function usesColour(terminal: Terminal, stream: { isTTY?: boolean }): boolean {
  const { NO_COLOR, TERM } = terminal.environment;
  return stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb';
}

/** Reads all of standard input, without the line break at its end. */
export async function readStdin(terminal: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of terminal.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
