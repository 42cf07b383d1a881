import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresJobLedger, PostgresJobQueue, PostgresNotifications } from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeDispatcher } from '../contract/index.ts';
import { JobAborted } from '../running/attempt.ts';
import { LocalDispatcher } from './local-dispatcher.ts';

describeDispatcher('local', async () => {
  const database = await createTestDatabase();
  const notifications = new PostgresNotifications({ url: database.url });
  return {
    ledger: new PostgresJobLedger(database.source),
    createDispatcher: () =>
      new LocalDispatcher(new PostgresJobQueue(database.source), notifications, {
        leaseSeconds: 1,
        pollSeconds: 60,
        backOff: { baseSeconds: 0.05, maxSeconds: 1 },
      }),
    strand: async (id) => {
      await database.source.query(
        `UPDATE job SET state = 'running', attempts = attempts + 1, worker = gen_random_uuid(), lease_until = now()
         WHERE id = $1`,
        [id],
      );
    },
    close: async () => {
      await notifications.close();
      await database.close();
    },
  };
});

describe('the local dispatcher when PostgreSQL drops its connections', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.close());

  it('goes on with running work, listens again and loses nothing', async () => {
    const errors: unknown[] = [];
    const notifications = new PostgresNotifications({
      url: database.url,
      onError: (error) => errors.push(error),
    });
    const dispatcher = new LocalDispatcher(new PostgresJobQueue(database.source), notifications, {
      leaseSeconds: 5,
      pollSeconds: 600,
      onError: (error) => errors.push(error),
    });
    const ledger = new PostgresJobLedger(database.source);
    const seen: unknown[] = [];
    await dispatcher.start({
      'test.cut': async (payload) => {
        if (payload === 'during') await cutConnections(database);
        seen.push(payload);
      },
    });
    try {
      for (const payload of ['before', 'during', 'after']) {
        await ledger.enqueue([{ kind: 'test.cut', key: payload, payload }]);
        await expect.poll(() => seen, { timeout: 5000 }).toContain(payload);
      }
      await expect
        .poll(async () => (await ledger.list({ states: ['succeeded'] }, { limit: 10 })).items.length)
        .toBe(3);
      expect(seen).toEqual(['before', 'during', 'after']);
      expect(errors.length).toBeGreaterThan(0);
    } finally {
      await dispatcher.stop();
      await notifications.close();
    }
  });

  it('stops running work when PostgreSQL is silent for longer than a lease', async () => {
    class SilentQueue extends PostgresJobQueue {
      override heartbeat(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const notifications = new PostgresNotifications({ url: database.url });
    const options = { leaseSeconds: 0.6, pollSeconds: 600 };
    const dispatcher = new LocalDispatcher(new SilentQueue(database.source), notifications, options);
    const reasons: unknown[] = [];
    await dispatcher.start({
      'test.silent': async (_, { signal }) => {
        if (reasons.length > 0) return;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reasons.push(signal.reason);
      },
    });
    try {
      const ledger = new PostgresJobLedger(database.source);
      await ledger.enqueue([{ kind: 'test.silent', key: 'a', payload: {} }]);
      await expect.poll(() => reasons, { timeout: 5000 }).toEqual([new JobAborted('lost')]);
    } finally {
      await dispatcher.stop({ graceMs: 1000 });
      await notifications.close();
    }
  });

  it('cannot start a job with a view from before the transaction that queued it again', async () => {
    const notifications = new PostgresNotifications({ url: database.url });
    const dispatcher = new LocalDispatcher(new PostgresJobQueue(database.source), notifications, {
      pollSeconds: 0.05,
    });
    const ledger = new PostgresJobLedger(database.source);
    let sawFact = false;
    await database.source.query('CREATE TABLE fact (id integer)');
    const request = { kind: 'test.view', key: 'a', payload: {} };
    await ledger.enqueue([request]);
    const cause = database.source.createQueryRunner();
    await cause.startTransaction();
    await cause.query('INSERT INTO fact VALUES (1)');
    await ledger.enqueue([request], cause);
    await dispatcher.start({
      'test.view': async () => {
        sawFact = ((await database.source.query('SELECT id FROM fact')) as unknown[]).length === 1;
      },
    });
    await sleep(200);
    await cause.commitTransaction();
    await cause.release();
    await expect.poll(() => sawFact).toBe(true);
    expect((await ledger.list({ kind: 'test.view' }, { limit: 10 })).items).toHaveLength(1);
    await dispatcher.stop();
    await notifications.close();
  });

  it('stops a handler whose job another worker took over, and leaves the outcome to that one', async () => {
    const notifications = new PostgresNotifications({ url: database.url });
    const dispatcher = new LocalDispatcher(new PostgresJobQueue(database.source), notifications, {
      leaseSeconds: 0.6,
    });
    const ledger = new PostgresJobLedger(database.source);
    let reason: unknown = null;
    await dispatcher.start({
      'test.lost': async (_payload, { signal, jobId }) => {
        await database.source.query(
          `UPDATE job SET worker = gen_random_uuid(), lease_until = now() + interval '1 hour' WHERE id = $1`,
          [jobId],
        );
        await sleep(20_000, undefined, { signal }).catch(() => undefined);
        reason = signal.reason;
      },
    });
    const [id] = await ledger.enqueue([{ kind: 'test.lost', key: 'a', payload: {} }]);
    await expect.poll(() => reason, { timeout: 5000 }).toBeInstanceOf(JobAborted);
    await dispatcher.stop();
    expect(reason).toMatchObject({ why: 'lost' });
    expect(await ledger.get(id ?? '')).toMatchObject({ state: 'running' });
    await database.source.query('DELETE FROM job WHERE id = $1', [id]);
    await notifications.close();
  });

  it('forgets finished jobs only', async () => {
    const queue = new PostgresJobQueue(database.source);
    const ledger = new PostgresJobLedger(database.source);
    const [queued] = await ledger.enqueue([{ kind: 'test.keep', key: 'a', payload: {} }]);
    const before = (await ledger.list({}, { limit: 100 })).items;
    expect(await queue.prune(3600)).toBe(0);
    expect(await queue.prune(-1)).toBe(before.length - 1);
    expect((await ledger.list({}, { limit: 100 })).items.map((job) => job.id)).toEqual([queued]);
  });
});

/** Ends every connection to the test's database but the one that asks. */
async function cutConnections(database: TestDatabase): Promise<void> {
  await database.source.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
}
