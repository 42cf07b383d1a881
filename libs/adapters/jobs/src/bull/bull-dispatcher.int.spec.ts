import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobLedger } from '@sluice/database';
import {
  PostgresJobDispatch,
  PostgresJobLedger,
  PostgresJobQueue,
  PostgresNotifications,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { RedisLink } from '@sluice/redis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeDispatcher } from '../contract/index.ts';
import { BullDispatcher, type BullDispatcherOptions } from './bull-dispatcher.ts';

const REDIS_URL = process.env['SLUICE_TEST_REDIS_URL'] ?? '';
/** A port where nothing listens. */
const NOWHERE = 'redis://127.0.0.1:1';

function create(
  database: TestDatabase,
  notifications: PostgresNotifications,
  redis: { url: string; prefix: string },
  options: BullDispatcherOptions,
): BullDispatcher {
  const ports = {
    queue: new PostgresJobQueue(database.source),
    dispatch: new PostgresJobDispatch(database.source),
    notifications,
  };
  return new BullDispatcher(ports, redis, {
    leaseSeconds: 1,
    backOff: { baseSeconds: 0.05, maxSeconds: 1 },
    ...options,
  });
}

function contractOf(name: string, url: string): void {
  describeDispatcher(name, async () => {
    const database = await createTestDatabase();
    const notifications = new PostgresNotifications({ url: database.url });
    const prefix = `contract-${randomUUID()}`;
    return {
      ledger: new PostgresJobLedger(database.source),
      // No poll helps: what is not told by a message comes too late.
      createDispatcher: () => create(database, notifications, { url, prefix }, { pollSeconds: 60 }),
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
}

describe.skipIf(REDIS_URL === '')('with Redis', () => contractOf('bull', REDIS_URL));

describe('without Redis', () => {
  it('refuses a wrong URL or prefix before it starts, and says what is expected', async () => {
    await using database = await createTestDatabase();
    const notifications = new PostgresNotifications({ url: database.url });
    const make = (url: string, prefix: string) => () => create(database, notifications, { url, prefix }, {});
    expect(make('postgres://cache', 'a')).toThrow('expected redis://');
    expect(make(NOWHERE, 'a:b')).toThrow('the prefix of Redis keys');
    await notifications.close();
  });

  it('works on what is queued as soon as it is queued, also before its start, and reports the loss once', async () => {
    await using database = await createTestDatabase();
    const notifications = new PostgresNotifications({ url: database.url });
    const ledger = new PostgresJobLedger(database.source);
    const [lost, seen]: [Error[], unknown[]] = [[], []];
    const dispatcher = create(
      database,
      notifications,
      { url: NOWHERE, prefix: 'nowhere' },
      { pollSeconds: 60, onRedisLost: (cause) => lost.push(cause) },
    );
    await ledger.enqueue([{ kind: 'test.away', key: 'before', payload: 'before' }]);
    await dispatcher.start({ 'test.away': async (payload) => void seen.push(payload) });
    await expect.poll(() => seen).toEqual(['before']);
    await ledger.enqueue([{ kind: 'test.away', key: 'after', payload: 'after' }]);
    await expect.poll(() => seen, { timeout: 1000 }).toEqual(['before', 'after']);
    await sleep(1500);
    expect(lost).toHaveLength(1);
    expect(lost[0]?.message).toContain('ECONNREFUSED');
    await dispatcher.stop();
    await notifications.close();
  });
});

describe.skipIf(REDIS_URL === '')('the messages', () => {
  let database: TestDatabase;
  let notifications: PostgresNotifications;
  let ledger: JobLedger;
  let link: RedisLink;
  let prefix: string;
  let dispatchers: BullDispatcher[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    notifications = new PostgresNotifications({ url: database.url });
    ledger = new PostgresJobLedger(database.source);
    prefix = `messages-${randomUUID()}`;
    link = new RedisLink({ url: REDIS_URL, prefix, purpose: 'test' });
    await link.untilUp(5000);
  });
  afterEach(async () => {
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop({ graceMs: 500 })));
    dispatchers = [];
  });
  afterAll(async () => {
    link.close();
    await notifications.close();
    await database.close();
  });

  async function start(
    handlers: Parameters<BullDispatcher['start']>[0],
    options: BullDispatcherOptions = {},
  ): Promise<void> {
    const dispatcher = create(
      database,
      notifications,
      { url: REDIS_URL, prefix },
      { pollSeconds: 60, ...options },
    );
    dispatchers.push(dispatcher);
    await dispatcher.start(handlers);
  }

  async function keys(): Promise<string[]> {
    return link.commands.keys(`${prefix}:*`);
  }

  it('hold ids and times and nothing of the payload, and begin with the prefix of the installation', async () => {
    const secret = `secret-${randomUUID()}`;
    const gate = Promise.withResolvers<void>();
    await start({ 'test.content': () => gate.promise });
    await ledger.enqueue([
      { kind: 'test.content', key: `key-${secret}`, payload: { secret } },
      { kind: 'test.content', key: `other-${secret}`, payload: { secret } },
    ]);
    await expect
      .poll(async () => (await keys()).filter((key) => /test\.content:[0-9a-f-]{36}\.\d+$/.test(key)))
      .toHaveLength(2);
    for (const key of await keys()) {
      const type = await link.commands.type(key);
      const content = type === 'hash' ? JSON.stringify(await link.commands.hgetall(key)) : '';
      expect(key + content).not.toContain(secret);
    }
    gate.resolve();
  });

  it('are gone when their jobs are done', async () => {
    let runs = 0;
    await start({ 'test.gone': async () => void (runs += 1) });
    for (const key of 'abc') await ledger.enqueue([{ kind: 'test.gone', key, payload: {} }]);
    await expect.poll(() => runs).toBe(3);
    await expect
      .poll(async () => (await keys()).filter((key) => /test\.gone:[0-9a-f-]{36}\.\d+$/.test(key)))
      .toHaveLength(0);
  });

  it('may come twice: the job runs once', async () => {
    let runs = 0;
    const handler = { 'test.twice': async () => void (runs += 1) };
    await start(handler);
    await start(handler);
    const ids = await ledger.enqueue(
      'abcdefgh'.split('').map((key) => ({ kind: 'test.twice', key, payload: {} })),
    );
    // As if the notes had ended before the messages arrived.
    await new PostgresJobDispatch(database.source).takeBack(null);
    await expect.poll(() => runs).toBe(8);
    await sleep(300);
    expect(runs).toBe(8);
    for (const id of ids) expect(await ledger.get(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
  });

  it('are sent again after FLUSHALL, those of delayed jobs too', async () => {
    const seen: unknown[] = [];
    await start({ 'test.flush': async (payload) => void seen.push(payload) });
    await ledger.enqueue([{ kind: 'test.flush', key: 'a', payload: 'late', delaySeconds: 3 }]);
    await expect
      .poll(async () => (await keys()).filter((key) => key.endsWith('test.flush:delayed')))
      .toHaveLength(1);
    await link.commands.flushall();
    expect(seen).toEqual([]);
    await expect.poll(() => seen, { timeout: 8000 }).toEqual(['late']);
  });

  it('hold a rate limit over all workers', async () => {
    const times: number[] = [];
    const options = { rateLimits: { 'test.slow': { max: 3, seconds: 1 } } };
    const handler = { 'test.slow': async () => void times.push(performance.now()) };
    await start(handler, options);
    await start(handler, options);
    await ledger.enqueue('abcdefg'.split('').map((key) => ({ kind: 'test.slow', key, payload: {} })));
    await expect.poll(() => times, { timeout: 10_000 }).toHaveLength(7);
    expect((times[3] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(800);
    expect((times[6] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(1600);
  });

  it('of another installation with another prefix on the same Redis are not seen', async () => {
    await using other = await createTestDatabase();
    const otherNotifications = new PostgresNotifications({ url: other.url });
    const seen: string[] = [];
    const foreign = create(other, otherNotifications, { url: REDIS_URL, prefix: `${prefix}-2` }, {});
    await foreign.start({ 'test.shared': async () => void seen.push('theirs') });
    await start({ 'test.shared': async () => void seen.push('ours') });
    await ledger.enqueue('abcd'.split('').map((key) => ({ kind: 'test.shared', key, payload: {} })));
    await expect.poll(() => seen).toEqual(['ours', 'ours', 'ours', 'ours']);
    await foreign.stop();
    await otherNotifications.close();
  });
});
