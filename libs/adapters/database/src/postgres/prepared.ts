import type { NamedStatement, PipelinedConnections } from './pipelined-connections.ts';

/** One of the few statements that every pull runs, with the type of its rows. */
export class PreparedStatement<Row extends readonly unknown[]> {
  readonly #connections: PipelinedConnections;
  readonly #statement: NamedStatement;

  constructor(connections: PipelinedConnections, name: string, text: string) {
    this.#connections = connections;
    this.#statement = { name, text };
  }

  async rows(values: readonly unknown[]): Promise<Row[]> {
    return this.#connections.query<Row>(this.#statement, values);
  }

  async first(values: readonly unknown[]): Promise<Row | undefined> {
    return (await this.rows(values))[0];
  }
}
