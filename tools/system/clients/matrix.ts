import type { Runner } from './graph.ts';
import { CLIENTS, KINDS, type Phase, type Reason, REASONS } from './table.ts';

type Result = 'pass' | 'FAIL';

/** Runs the cells of the table, keeps what came out, and prints it. */
export class Matrix {
  readonly #runners: readonly Runner[];
  readonly #results = new Map<string, Result>();
  readonly #started = Date.now();

  /** @throws Error unless the runners prove exactly the cells that the table promises */
  constructor(runners: readonly Runner[]) {
    this.#runners = runners;
    const faults = this.#faults();
    if (faults.length > 0) throw new Error(`the table is wrong:\n${faults.join('\n')}`);
  }

  #faults(): readonly string[] {
    const faults: string[] = [];
    for (const { client, cells } of this.#runners) {
      const promised = KINDS.filter((kind) => kind.cells[client] === 'x').map(({ name }) => name);
      const missing = promised.filter((name) => cells[name] === undefined);
      const extra = Object.keys(cells).filter((name) => !promised.includes(name));
      faults.push(...missing.map((name) => `${client} does not prove ${name}`));
      faults.push(...extra.map((name) => `${client} proves ${name}, which the table does not promise`));
    }
    return faults;
  }

  /** Runs all cells of a phase: each client one after the other, `width` clients at once. */
  async run(phase: Phase, width: number): Promise<void> {
    const waiting = [...this.#runners];
    const lane = async (): Promise<void> => {
      for (let runner = waiting.shift(); runner !== undefined; runner = waiting.shift()) {
        for (const { name } of KINDS.filter((kind) => kind.phase === phase)) await this.#cell(runner, name);
      }
    };
    await Promise.all(Array.from({ length: width }, lane));
  }

  get hasFailed(): boolean {
    return [...this.#results.values()].includes('FAIL');
  }

  /** Prints the table and one summary line; true when every promised cell has passed. */
  print(): boolean {
    const shown = CLIENTS.filter((client) => this.#runners.some((runner) => runner.client === client));
    const width = Math.max(...KINDS.map(({ name }) => name.length));
    const line = (name: string, columns: readonly string[]): string =>
      `${name.padEnd(width)}  ${columns.map((text, at) => text.padEnd(shown[at]?.length ?? 0)).join('  ')}`.trimEnd();
    console.log(`\n${line('', shown)}`);
    let [passed, failed] = [0, 0];
    for (const { name, cells } of KINDS) {
      const columns = shown.map((client) => {
        const mark = cells[client];
        if (mark !== 'x') return `-${mark}`;
        const result = this.#results.get(`${client}: ${name}`);
        if (result === 'pass') passed++;
        else failed++;
        return result ?? 'not run';
      });
      console.log(line(name, columns));
    }
    for (const [letter, reason] of Object.entries(REASONS) as [Reason, string][]) {
      console.log(`-${letter}  not applicable: the client ${reason}`);
    }
    const seconds = Math.round((Date.now() - this.#started) / 1_000);
    console.log(
      `test:clients: ${passed} of ${passed + failed} cells passed (${shown.length} clients, ${KINDS.length} kinds, ${seconds} s)`,
    );
    return failed === 0 && passed > 0;
  }

  async #cell({ client, cells }: Runner, name: string): Promise<void> {
    const cell = cells[name];
    if (cell === undefined) return;
    const startedAt = Date.now();
    const title = `${client}: ${name}`;
    try {
      await cell();
      this.#results.set(title, 'pass');
      console.log(`ok    ${title} (${Date.now() - startedAt} ms)`);
    } catch (error) {
      this.#results.set(title, 'FAIL');
      const said = String(error instanceof Error ? error.message : error);
      console.log(`FAIL  ${title}\n      ${said.replaceAll('\n', '\n      ')}`);
    }
  }
}
