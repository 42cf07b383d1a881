import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { queryRows } from './sql.ts';
import { inTransaction, runPlanned } from './transaction.ts';

const INSERT = 'INSERT INTO entry (id) VALUES ($1)';

describe('a transaction that sends without waiting', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.source.query('CREATE TABLE entry (id int PRIMARY KEY)');
  });
  beforeEach(() => database.source.query('TRUNCATE entry'));
  afterAll(async () => database.close());

  const ids = async (): Promise<number[]> =>
    (await queryRows<{ id: number }>(database.source, 'SELECT id FROM entry ORDER BY id')).map(
      ({ id }) => id,
    );

  it('keeps what was sent in one go and what nobody waited for, in the order of sending', async () => {
    const seen = await inTransaction(database.source, async (transaction) => {
      const [, , rows] = await Promise.all([
        transaction.query(INSERT, [1]),
        transaction.query(INSERT, [2]),
        queryRows<{ id: number }>(transaction, 'SELECT id FROM entry ORDER BY id'),
      ]);
      void transaction.query(INSERT, [3]);
      return rows;
    });
    expect(seen).toEqual([{ id: 1 }, { id: 2 }]);
    expect(await ids()).toEqual([1, 2, 3]);
  });

  it('keeps nothing when a statement fails that nobody waited for, and tells the reason', async () => {
    const failing = inTransaction(database.source, async (transaction) => {
      await transaction.query(INSERT, [1]);
      void transaction.query(INSERT, [1]);
      void transaction.query(INSERT, [2]);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(await ids()).toEqual([]);
  });

  it('tells the reason also where the work saw a later statement fail first', async () => {
    const failing = inTransaction(database.source, async (transaction) => {
      void transaction.query('SELECT 1 / $1::int', [0]);
      await transaction.query(INSERT, [1]);
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
  });

  it('keeps nothing when the work throws, and leaves a connection that can be used', async () => {
    const failing = inTransaction(database.source, async (transaction) => {
      void transaction.query(INSERT, [1]);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await ids()).toEqual([]);
    await inTransaction(database.source, async (transaction) => transaction.query(INSERT, [1]));
    expect(await ids()).toEqual([1]);
  });

  it('goes on after an attempt that failed, without what that one did', async () => {
    const failure = await inTransaction(database.source, async (transaction) => {
      await transaction.query(INSERT, [1]);
      const failed = await transaction.attempt(() =>
        Promise.all([2, 1, 3].map((id) => transaction.query(INSERT, [id]))),
      );
      const passed = await transaction.attempt(() => transaction.query(INSERT, [4]));
      expect(passed).toBeNull();
      return failed;
    });
    expect(failure).toMatchObject({ error: { code: '23505' } });
    expect(await ids()).toEqual([1, 4]);
  });

  it('gives each of many at once its own connection and answer', async () => {
    const numbers = Array.from({ length: 60 }, (_, index) => index);
    const answers = await Promise.all(
      numbers.map((n) => runPlanned<{ n: number }>(database.source, 'SELECT $1::int AS n', [n])),
    );
    expect(answers.map(([row]) => row?.n)).toEqual(numbers);
  });

  it('fails when its connection is lost, and the pool gives another', async () => {
    const failing = inTransaction(database.source, async (transaction) => {
      const [row] = await queryRows<{ pid: number }>(transaction, 'SELECT pg_backend_pid() AS pid');
      await database.source.query('SELECT pg_terminate_backend($1)', [row?.pid]);
      await transaction.query('SELECT pg_sleep(1)');
    });
    await expect(failing).rejects.toThrow();
    await expect(runPlanned(database.source, 'SELECT 1 AS one', [])).resolves.toEqual([{ one: 1 }]);
  });

  it('plans by index although a table was empty when the statement was planned', async () => {
    const explain = 'EXPLAIN (FORMAT JSON) SELECT id FROM entry WHERE id = ANY ($1)';
    await database.source.query('ANALYZE entry');
    const [row] = await runPlanned<{ 'QUERY PLAN': object }>(database.source, explain, [[1]]);
    expect(JSON.stringify(row)).not.toContain('Seq Scan');
  });
});
