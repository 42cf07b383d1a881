import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresJobDispatch } from './job-dispatch.ts';
import { PostgresJobLedger } from './job-ledger.ts';
import { PostgresJobQueue } from './job-queue.ts';
import { PostgresNotifications } from './notifications.ts';

describe('jobs that are handed to a broker', () => {
  let database: TestDatabase;
  let ledger: PostgresJobLedger;
  let queue: PostgresJobQueue;
  let dispatch: PostgresJobDispatch;
  const worker = randomUUID();
  beforeAll(async () => {
    database = await createTestDatabase();
    ledger = new PostgresJobLedger(database.source);
    queue = new PostgresJobQueue(database.source);
    dispatch = new PostgresJobDispatch(database.source);
  });
  beforeEach(async () => void (await database.source.query('DELETE FROM job')));
  afterAll(async () => database.close());

  const enqueue = async (key: string, more: { kind?: string; delaySeconds?: number } = {}) =>
    (await ledger.enqueue([{ kind: 'a', key, payload: {}, ...more }]))[0];
  const take = (limit = 10, noteSeconds = 60) => dispatch.take(new Map([['a', limit]]), 60, noteSeconds);
  const idsOf = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);

  it('come oldest first, at most so many of a kind, of the asked kinds only, and once', async () => {
    const ids = [await enqueue('c'), await enqueue('a'), await enqueue('b')];
    await enqueue('x', { kind: 'other' });
    expect(idsOf(await take(2))).toEqual(ids.slice(0, 2));
    expect(idsOf(await take(2))).toEqual(ids.slice(2));
    expect(await take()).toEqual([]);
  });

  it('are never given to two callers', async () => {
    for (let index = 0; index < 30; index++) await enqueue(`k${index}`);
    const taken = (await Promise.all([take(10), take(10), take(10), take(10)])).flat();
    expect(new Set(idsOf(taken)).size).toBe(taken.length);
    expect(taken.length + (await take(30)).length).toBe(30);
  });

  it('come with the rest of their delay, and not before their time is near', async () => {
    const soon = await enqueue('soon', { delaySeconds: 30 });
    await enqueue('later', { delaySeconds: 90 });
    const [job, ...others] = await take();
    expect([job?.id, others]).toEqual([soon, []]);
    expect(job?.delaySeconds).toBeGreaterThan(25);
    expect(job?.delaySeconds).toBeLessThanOrEqual(30);
  });

  it('wait for the run of the same kind and key to end', async () => {
    await enqueue('same');
    const [running] = await queue.claim(worker, new Map([['a', 1]]), 60);
    const next = await enqueue('same');
    expect(await take()).toEqual([]);
    await queue.finish(worker, running?.id ?? '', { kind: 'succeeded' });
    expect(idsOf(await take())).toEqual([next]);
  });

  it('come again when their note has ended, and not before', async () => {
    const id = await enqueue('noted');
    await take(10, 0.2);
    expect(await dispatch.expire()).toBe(0);
    await expect.poll(() => dispatch.expire()).toBe(1);
    expect(idsOf(await take())).toEqual([id]);
  });

  it('have their note for as long as their delay, and the time given', async () => {
    await enqueue('delayed', { delaySeconds: 30 });
    await take(10, 0);
    expect(await dispatch.expire()).toBe(0);
  });

  it('come again after a retry, and after they were queued again, as another wait of the job', async () => {
    const id = await enqueue('again');
    const [first] = await take();
    await queue.claim(worker, new Map([['a', 1]]), 60);
    await queue.finish(worker, id ?? '', { kind: 'retry', error: 'x', delaySeconds: 1 });
    const [second] = await take();
    expect(second?.id).toBe(id);
    expect(second?.startMicros).not.toBe(first?.startMicros);
    expect(await enqueue('again')).toBe(id);
    const [third] = await take();
    expect([third?.id, third?.delaySeconds]).toEqual([id, 0]);
  });

  it('may be claimed whatever was noted of them', async () => {
    const id = await enqueue('claimed');
    await take();
    expect(idsOf(await queue.claim(worker, new Map([['a', 1]]), 60))).toEqual([id]);
  });

  it('are taken back by kind or all, and whoever sends them is woken', async () => {
    const notifications = new PostgresNotifications({ url: database.url });
    const heard: (string | null)[] = [];
    try {
      const id = await enqueue('mine');
      await enqueue('theirs', { kind: 'other' });
      await dispatch.take(
        new Map([
          ['a', 1],
          ['other', 1],
        ]),
        60,
        60,
      );
      await notifications.subscribe('sluice_job', (payload) => heard.push(payload));
      await dispatch.takeBack(['a']);
      await expect.poll(() => heard).toEqual(['a']);
      expect(idsOf(await take())).toEqual([id]);
      await dispatch.takeBack(null);
      await expect.poll(() => heard.map(String).toSorted()).toEqual(['a', 'a', 'other']);
    } finally {
      await notifications.close();
    }
  });
});
