import pg from 'pg';
import { holdWrites } from './held-writes.ts';
import { PLAN_ONCE_OPTIONS } from './plan-once.ts';

export interface PipelinedOptions {
  readonly url: string;
  /** How many connections share the statements. One backend answers some ten thousand small reads a second. */
  readonly connections?: number;
  /** After so long a statement, and the connection with it, is given up. Default 10 s. */
  readonly timeoutMs?: number;
  readonly onError?: (error: unknown) => void;
}

/** A statement that each connection parses and plans once; its rows are arrays in the order of the columns. */
export interface NamedStatement {
  readonly name: string;
  readonly text: string;
}

/** One step of a {@link PipelinedConnections.transaction}. */
export interface BoundStatement {
  readonly statement: NamedStatement;
  readonly values: readonly unknown[];
}

interface Lane {
  readonly client: pg.Client;
  readonly connected: Promise<unknown>;
  lost: boolean;
}

/**
 * A few connections that carry many small statements at once: one does not wait for the answer of the one before
 * it, and the statements of one turn of the event loop leave in one write. A pool spends two system calls and a
 * check-out on every read instead, which is most of what a pull costs.
 *
 * For single statements that read, and that each take far less than a millisecond: a slow one holds up its lane.
 */
export class PipelinedConnections {
  readonly #options: PipelinedOptions;
  readonly #lanes: (Lane | null)[];
  /** Of statements that were given without one. Their texts are those of the program, so they are few. */
  readonly #names = new Map<string, string>();
  #next = 0;
  #closed = false;

  constructor(options: PipelinedOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.connections ?? 2 }, () => null);
  }

  /** Runs the statement. A read whose connection was lost on the way is asked again on another one. */
  async query<Row extends readonly unknown[]>(
    statement: NamedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    // A server that restarts takes all connections at once, so each may be found lost before one is new.
    for (let spare = this.#lanes.length; ; spare--) {
      const lane = this.#lane();
      try {
        return await this.#ask<Row>(lane, statement, values);
      } catch (error) {
        if (isAboutStatement(error) || spare === 0 || this.#closed) throw error;
        this.#lose(lane, error);
      }
    }
  }

  /** As {@link query}, for a statement that writes: it is not run again when the connection is lost. */
  async write<Row extends readonly unknown[]>(
    statement: NamedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const lane = this.#lane();
    try {
      return await this.#ask<Row>(lane, statement, values);
    } catch (error) {
      if (!isAboutStatement(error)) this.#lose(lane, error);
      throw error;
    }
  }

  /** As {@link write}, for a statement without a name, whose rows are objects. */
  async run<Row>(text: string, values: readonly unknown[]): Promise<Row[]> {
    const lane = this.#lane();
    try {
      await lane.connected;
      holdWrites(lane.client);
      const { rows } = await lane.client.query({ name: this.#nameOf(text), text, values: [...values] });
      return rows as Row[];
    } catch (error) {
      if (!isAboutStatement(error)) this.#lose(lane, error);
      throw error;
    }
  }

  /**
   * Runs the statements in one transaction and one round trip, so none can use what another returned. Returns the rows
   * of each. Whether a transaction whose connection was lost has happened is not known: it is not run again.
   */
  async transaction(statements: readonly BoundStatement[]): Promise<unknown[][][]> {
    const lane = this.#lane();
    try {
      await lane.connected;
    } catch (error) {
      this.#lose(lane, error);
      throw error;
    }
    holdWrites(lane.client);
    // Sent in one go: nothing of another transaction comes between them.
    const { client } = lane;
    const begun = client.query('BEGIN');
    const results = statements.map(({ statement, values }) =>
      client.query<unknown[]>({ ...statement, values: [...values], rowMode: 'array' as const }),
    );
    const committed = client.query('COMMIT');
    // The first failure is the reason of those behind it, COMMIT included, which then rolls back without a word.
    const [, ...outcomes] = await Promise.allSettled([begun, ...results, committed]);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return (await Promise.all(results)).map(({ rows }) => rows);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = this.#lanes.splice(0).filter((lane) => lane !== null);
    await Promise.all(open.map(({ client }) => client.end().catch(() => undefined)));
  }

  async #ask<Row extends readonly unknown[]>(
    lane: Lane,
    { name, text }: NamedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    await lane.connected;
    holdWrites(lane.client);
    const query = { name, text, values: [...values], rowMode: 'array' as const };
    const result = await lane.client.query<unknown[]>(query);
    return result.rows as unknown[] as Row[];
  }

  #nameOf(text: string): string {
    const known = this.#names.get(text) ?? `planned-${this.#names.size}`;
    this.#names.set(text, known);
    return known;
  }

  #lane(): Lane {
    if (this.#closed) throw new Error('the database connections are closed');
    const index = this.#next;
    this.#next = (index + 1) % this.#lanes.length;
    const lane = this.#lanes[index];
    if (lane && !lane.lost) return lane;
    return (this.#lanes[index] = this.#open());
  }

  #open(): Lane {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: 'sluice-reads',
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
      query_timeout: this.#options.timeoutMs ?? 10_000,
      pipeline: true,
      options: PLAN_ONCE_OPTIONS,
    });
    const lane: Lane = { client, connected: client.connect(), lost: false };
    client.on('error', (error) => this.#lose(lane, error));
    client.on('end', () => this.#lose(lane, new Error('the server closed the connection')));
    lane.connected.catch((error: unknown) => this.#lose(lane, error));
    return lane;
  }

  #lose(lane: Lane, error: unknown): void {
    if (lane.lost) return;
    lane.lost = true;
    if (!this.#closed) this.#options.onError?.(error);
    lane.client.end().catch(() => undefined);
  }
}

/** The server answered, and the connection lives on; FATAL and errors of the network end it. */
function isAboutStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}
