import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PipelinedConnections } from './pipelined-connections.ts';

const ADD = { name: 'add', text: 'SELECT $1::int + $2::int' };
const BACKEND = { name: 'backend', text: 'SELECT pg_backend_pid()' };

describe('pipelined connections', () => {
  let database: TestDatabase;
  let connections: PipelinedConnections;
  const errors: unknown[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    connections = new PipelinedConnections({
      url: database.url,
      connections: 2,
      onError: (error) => errors.push(error),
    });
  });
  afterAll(async () => {
    await connections.close();
    await database.close();
  });

  it('give every one of many statements at once its own answer', async () => {
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    const answers = await Promise.all(numbers.map((n) => connections.query<[number]>(ADD, [n, 1])));
    expect(answers.map(([row]) => row?.[0])).toEqual(numbers.map((n) => n + 1));
  });

  it('share the statements among no more connections than asked for', async () => {
    const backends = await Promise.all(
      Array.from({ length: 50 }, () => connections.query<[number]>(BACKEND, [])),
    );
    expect(new Set(backends.map(([row]) => row?.[0])).size).toBe(2);
  });

  it('fail one statement without the others around it', async () => {
    const [before, wrong, after] = await Promise.allSettled([
      connections.query<[number]>(ADD, [1, 1]),
      connections.query(ADD, ['no number', 1]),
      connections.query<[number]>(ADD, [2, 2]),
    ]);
    expect([before.status, wrong.status, after.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('keep transactions that are sent at once apart, each whole or not at all', async () => {
    await database.source.query('CREATE TABLE entry (id int PRIMARY KEY, turn int)');
    const insert = { name: 'insert', text: 'INSERT INTO entry (id, turn) VALUES ($1, $2)' };
    const turns = Array.from({ length: 40 }, (_, turn) => turn);
    const outcomes = await Promise.allSettled(
      turns.map((turn) =>
        connections.transaction([
          { statement: insert, values: [turn * 2, turn] },
          // Every fourth ends in what every later one of them has inserted as well.
          { statement: insert, values: [turn % 4 === 0 ? -1 : turn * 2 + 1, turn] },
          { statement: ADD, values: [turn, 1] },
        ]),
      ),
    );
    const failed = turns.filter((turn) => outcomes[turn]?.status === 'rejected');
    expect(failed).toHaveLength(9);
    for (const turn of failed) {
      // The reason, and not that the transaction is aborted, which is all that the statements behind it know.
      expect(outcomes[turn]).toMatchObject({ reason: { code: '23505' } });
    }
    const rows: { turn: number; count: number }[] = await database.source.query(
      'SELECT turn, count(*)::int AS count FROM entry GROUP BY turn ORDER BY turn',
    );
    const whole = turns.filter((turn) => !failed.includes(turn));
    expect(rows).toEqual(whole.map((turn) => ({ turn, count: 2 })));
    expect(outcomes[1]).toMatchObject({ value: [[], [], [[2]]] });
  });

  it('write once: what was on its way when the connection was lost is not written again', async () => {
    await database.source.query('CREATE TABLE once (id int)');
    const write = { name: 'once', text: 'INSERT INTO once SELECT $1 FROM pg_sleep(0.3)' };
    const writing = connections.write(write, [1]);
    writing.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await database.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'sluice-reads' AND query LIKE 'INSERT INTO once%'`,
    );
    await expect(writing).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await database.source.query('SELECT id FROM once')).toEqual([]);
  });

  it('ask again on a new connection when theirs is lost', async () => {
    await database.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'sluice-reads' AND datname = current_database()`,
    );
    const answers = await Promise.all([1, 2, 3, 4].map((n) => connections.query<[number]>(ADD, [n, 0])));
    expect(answers.map(([row]) => row?.[0])).toEqual([1, 2, 3, 4]);
    expect(errors.length).toBeGreaterThan(0);
  });

  it('refuse after they were closed', async () => {
    const closed = new PipelinedConnections({ url: database.url });
    await closed.query(ADD, [1, 1]);
    await closed.close();
    await expect(closed.query(ADD, [1, 1])).rejects.toThrow('closed');
  });
});
