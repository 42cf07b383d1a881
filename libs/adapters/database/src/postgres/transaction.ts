import type pg from 'pg';
import type { StatementRunner } from '../statement-runner.ts';
import type { Database } from './database.ts';
import { holdWrites } from './held-writes.ts';
import { sqlState } from './sql.ts';

/** SQLSTATE `in_failed_sql_transaction`. */
const ABORTED = '25P02';

/**
 * Runs `work` in a transaction of its own. Statements leave as they are asked for: those that are not waited for one by
 * one (`Promise.all`) cost one round trip together, `BEGIN` none, and `COMMIT` none behind {@link Transaction.finish}.
 *
 * For hot paths with short statements that find their rows by an index, whatever the parameters are.
 *
 * @throws what `work` throws, or what the first failed statement did; nothing is changed then
 */
export async function inTransaction<Result>(
  database: Database,
  work: (transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  const client = await database.transactions.connect();
  // Every statement under way fails with it; as an event without a listener it would end the process.
  client.on('error', ignore);
  const transaction = new Transaction(client);
  let isLost = false;
  try {
    transaction.begin();
    const result = await work(transaction);
    if (!transaction.isOver) await transaction.commit();
    return result;
  } catch (error) {
    const { reason, lost } = await transaction.rollback(error);
    isLost = lost;
    throw reason;
  } finally {
    client.off('error', ignore);
    client.release(isLost);
  }
}

/**
 * Runs one statement on a connection that it shares with others and on which it is planned once. Returns its rows. It may
 * wait for no lock that somebody holds who runs another such statement meanwhile: that one may be queued behind it.
 */
export async function runPlanned<Row>(
  database: Database,
  sql: string,
  parameters: readonly unknown[],
): Promise<Row[]> {
  return database.planned.run<Row>(sql, parameters);
}

/** What {@link inTransaction} gives its work. */
export class Transaction implements StatementRunner {
  readonly #client: pg.PoolClient;
  /** Of everything that was sent, in that order. */
  readonly #answers: Promise<unknown>[] = [];
  #isOver = false;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  begin(): void {
    void this.#keep(this.#send('BEGIN'));
  }

  query(sql: string, parameters: unknown[] = []): Promise<unknown> {
    if (this.#isOver) return Promise.reject(new Error('the transaction has been committed'));
    return this.#keep(this.#send(sql, parameters).then((result) => result.rows as unknown));
  }

  /**
   * Tries a part of the work, which waits for all its statements: when it fails, what it did is undone, and the
   * transaction goes on.
   *
   * @returns why it failed, null when it did not
   */
  async attempt(part: () => Promise<unknown>): Promise<{ readonly error: unknown } | null> {
    const before = this.#answers.length;
    void this.query('SAVEPOINT attempt');
    try {
      await part();
      return null;
    } catch (error) {
      await this.#send('ROLLBACK TO SAVEPOINT attempt');
      const reason = await this.#reasonOf(error);
      this.#answers.length = before;
      return { error: reason };
    }
  }

  /**
   * Commits without waiting for the answers to what was sent before, and returns what they come to. Steps that wait for
   * one of them to send another do not belong here: nothing can be sent any more.
   */
  async finish<Result>(answers: Promise<Result>): Promise<Result> {
    answers.catch(ignore);
    await this.commit();
    return answers;
  }

  /** @throws what the first failed statement did, whether or not the work waited for it */
  async commit(): Promise<void> {
    this.#isOver = true;
    const { command } = await this.#send('COMMIT');
    const failure = await this.#firstFailure();
    if (failure !== undefined) throw failure.reason;
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`);
  }

  /** Returns the reason of `error`, and whether the connection can be used again. */
  async rollback(error: unknown): Promise<{ readonly reason: unknown; readonly lost: boolean }> {
    const lost = await this.#send('ROLLBACK').then(
      () => false,
      () => true,
    );
    return { reason: await this.#reasonOf(error), lost };
  }

  /** Statements behind the one that failed only say that the transaction is aborted. */
  async #reasonOf(error: unknown): Promise<unknown> {
    return sqlState(error) === ABORTED ? ((await this.#firstFailure())?.reason ?? error) : error;
  }

  async #firstFailure(): Promise<PromiseRejectedResult | undefined> {
    const outcomes = await Promise.allSettled(this.#answers);
    return outcomes.find((outcome) => outcome.status === 'rejected');
  }

  #send(sql: string, parameters?: unknown[]): Promise<pg.QueryResult> {
    holdWrites(this.#client as unknown as pg.Client);
    return parameters === undefined ? this.#client.query(sql) : this.#client.query(sql, parameters);
  }

  /** Whoever does not wait for the answer hears of its failure at the end. */
  #keep<Answer>(answer: Promise<Answer>): Promise<Answer> {
    answer.catch(ignore);
    this.#answers.push(answer);
    return answer;
  }
}

function ignore(): void {}
