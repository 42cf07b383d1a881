import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresJobLedger } from './job-ledger.ts';
import { PostgresJobStatistics } from './job-statistics.ts';

describe('the figures of the ledger', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.close());

  it('are zero and no age while there is no work', async () => {
    expect(await new PostgresJobStatistics(database.source).read()).toEqual({
      due: 0,
      running: 0,
      failedLastDay: 0,
      oldestDueSeconds: null,
    });
  });

  it('count what is due, runs and failed lately, and not what is planned for later or long over', async () => {
    const ledger = new PostgresJobLedger(database.source);
    const job = (key: string, delaySeconds = 0) => ({ kind: 'test', key, payload: {}, delaySeconds });
    await ledger.enqueue(['due', 'running', 'failed', 'old', 'done'].map((key) => job(key)));
    await ledger.enqueue([job('later', 3600)]);
    const set = (key: string, assignment: string) =>
      database.source.query(`UPDATE job SET ${assignment} WHERE key = $1`, [key]);
    await set('due', `run_at = now() - interval '90 seconds'`);
    await set('running', `state = 'running', lease_until = now() + interval '1 minute'`);
    await set('failed', `state = 'failed', finished_at = now()`);
    await set('old', `state = 'failed', finished_at = now() - interval '2 days'`);
    await set('done', `state = 'succeeded', finished_at = now()`);
    const figures = await new PostgresJobStatistics(database.source).read();
    expect(figures).toMatchObject({ due: 1, running: 1, failedLastDay: 1 });
    expect(figures.oldestDueSeconds).toBeGreaterThanOrEqual(90);
    expect(figures.oldestDueSeconds).toBeLessThan(120);
  });
});
