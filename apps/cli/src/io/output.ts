import { styleText } from 'node:util';
import { type Cell, type Column, renderFields, renderTable } from './table.ts';
import { type Terminal, usesColour } from './terminal.ts';
import { printable } from './text.ts';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export type Style = 'green' | 'yellow' | 'red' | 'cyan' | 'bold' | 'dim';

/** Data goes to stdout in the format that was asked for; everything said beside it goes to stderr. */
export class Output {
  readonly format: OutputFormat;
  readonly #terminal: Terminal;
  readonly #isQuiet: boolean;
  readonly #hasColour: boolean;

  constructor(terminal: Terminal, format: OutputFormat, isQuiet: boolean) {
    this.#terminal = terminal;
    this.format = format;
    this.#isQuiet = isQuiet;
    this.#hasColour = usesColour(terminal, terminal.stdout);
  }

  /** A list: a table, or an array in JSON and YAML. */
  async list<Item>(
    items: readonly Item[],
    columns: readonly Column<Item>[],
    whenEmpty: string,
  ): Promise<void> {
    if (this.format !== 'table') return this.data(items);
    if (items.length === 0) this.note(whenEmpty);
    else this.#write(renderTable(items, columns));
  }

  /** One resource: aligned fields, or the whole object in JSON and YAML. */
  async item(data: unknown, fields: readonly (readonly [string, Cell])[]): Promise<void> {
    if (this.format === 'table') this.#write(renderFields(fields));
    else await this.data(data);
  }

  /** One resource that has its own form for people. */
  async report(data: unknown, text: () => string): Promise<void> {
    if (this.format === 'table') this.#write(text());
    else await this.data(data);
  }

  /** JSON unless YAML was asked for. */
  async data(data: unknown): Promise<void> {
    if (this.format === 'yaml') {
      const { stringify } = await import('yaml');
      this.#write(stringify(data));
    } else this.#write(`${JSON.stringify(data, null, 2)}\n`);
  }

  /** Bytes of a document as the server gave them. */
  raw(text: string): void {
    this.#write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** A remark for people on stderr; silent with --quiet. */
  note(message: string): void {
    if (!this.#isQuiet) this.#terminal.stderr.write(`${printable(message)}\n`);
  }

  /** A remark that --quiet does not hide. */
  warn(message: string): void {
    this.#terminal.stderr.write(`warning: ${printable(message)}\n`);
  }

  /** Colour, where stdout shows any. Never the only carrier of a meaning. */
  style(style: Style, text: string): string {
    return this.#hasColour ? styleText(style, text, { validateStream: false }) : text;
  }

  #write(text: string): void {
    this.#terminal.stdout.write(text);
  }
}
