/** A transaction, or a connection without one: anything that runs a parameterised statement. */
export interface StatementRunner {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}
