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
