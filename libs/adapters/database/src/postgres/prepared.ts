import type pg from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';

/**
 * A statement that each connection parses and plans once. For the few that every pull runs; its rows are arrays in
 * the order of the selected columns.
 */
export class PreparedStatement<Row extends readonly unknown[]> {
  readonly #pool: pg.Pool;
  readonly #query: { readonly name: string; readonly text: string; readonly rowMode: 'array' };

  constructor(source: DataSource, name: string, text: string) {
    this.#pool = (source.driver as PostgresDriver).master as pg.Pool;
    this.#query = { name, text, rowMode: 'array' };
  }

  async rows(values: readonly unknown[]): Promise<Row[]> {
    const result = await this.#pool.query<Row[]>({ ...this.#query, values: [...values] });
    return result.rows as unknown as Row[];
  }

  async first(values: readonly unknown[]): Promise<Row | undefined> {
    return (await this.rows(values))[0];
  }
}
