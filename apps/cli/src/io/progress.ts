import { isInteractive, type Terminal } from './terminal.ts';
import { printableLine } from './text.ts';

/** Without a terminal a line is printed at most this often, so that the log of a CI job stays readable. */
const PLAIN_INTERVAL_MS = 10_000;

/** What is going on, on stderr: one line that is rewritten on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #isSilent: boolean;
  #shown = '';
  #printedAt = 0;

  constructor(terminal: Terminal, isQuiet: boolean) {
    this.#terminal = terminal;
    this.#isSilent = isQuiet;
  }

  update(message: string): void {
    const text = printableLine(message);
    if (this.#isSilent || text === this.#shown) return;
    if (isInteractive(this.#terminal)) {
      this.#terminal.stderr.write(`\r${text}${' '.repeat(Math.max(0, this.#shown.length - text.length))}`);
    } else {
      if (this.#printedAt > 0 && Date.now() - this.#printedAt < PLAIN_INTERVAL_MS) return;
      this.#terminal.stderr.write(`${text}\n`);
      this.#printedAt = Date.now();
    }
    this.#shown = text;
  }

  /** Ends the line; what is printed next starts on its own. */
  end(): void {
    if (this.#shown !== '' && isInteractive(this.#terminal)) this.#terminal.stderr.write('\n');
    this.#shown = '';
    this.#printedAt = 0;
  }
}
