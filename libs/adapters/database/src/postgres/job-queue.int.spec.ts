import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresJobLedger } from './job-ledger.ts';
import { PostgresJobQueue } from './job-queue.ts';

const WORKER = '0192c0de-0000-7000-8000-000000000001';

describe('the seconds to the next job that can be claimed', () => {
  let database: TestDatabase;
  let ledger: PostgresJobLedger;
  let queue: PostgresJobQueue;
  beforeAll(async () => {
    database = await createTestDatabase();
    ledger = new PostgresJobLedger(database.source);
    queue = new PostgresJobQueue(database.source);
  });
  afterAll(async () => database.close());

  const enqueue = (kind: string, delaySeconds = 0): Promise<string[]> =>
    ledger.enqueue([{ kind, key: 'a', payload: {}, delaySeconds }]);

  it('are null without a job and 0 when one became due, so that none waits for the next poll', async () => {
    expect(await queue.secondsToNextDue(['due'])).toBeNull();
    await enqueue('due');
    expect(await queue.secondsToNextDue(['due'])).toBe(0);
  });

  it('are the rest of a delay', async () => {
    await enqueue('delayed', 60);
    const seconds = (await queue.secondsToNextDue(['delayed'])) ?? 0;
    expect(seconds).toBeGreaterThan(50);
    expect(seconds).toBeLessThanOrEqual(60);
  });

  it('leave out a job whose kind and key are running: the end of that run is what it waits for', async () => {
    await enqueue('running');
    expect(await queue.claim(WORKER, new Map([['running', 1]]), 60)).toHaveLength(1);
    await enqueue('running');
    expect(await queue.secondsToNextDue(['running'])).toBeNull();
  });

  it('end with all leases, when a process is the only worker', async () => {
    await enqueue('left');
    await queue.claim(WORKER, new Map([['left', 1]]), 60);
    expect(await queue.recoverStalled()).toBe(0);
    await queue.endLeases();
    expect(await queue.recoverStalled()).toBeGreaterThan(0);
    expect(await queue.secondsToNextDue(['left'])).toBe(0);
  });
});
