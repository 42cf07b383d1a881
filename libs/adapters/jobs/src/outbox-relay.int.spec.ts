import type { OutboxEvent } from '@sluice/database';
import {
  PostgresJobLedger,
  PostgresJobQueue,
  PostgresNotifications,
  PostgresOutbox,
  writeEvent,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { type EventSubscriber, OutboxRelay } from './outbox-relay.ts';

describe('the outbox relay', () => {
  let database: TestDatabase;
  let ledger: PostgresJobLedger;
  let notifications: PostgresNotifications;
  let relays: OutboxRelay[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    ledger = new PostgresJobLedger(database.source);
  });
  beforeEach(async () => {
    await database.source.query('TRUNCATE outbox, job');
    notifications = new PostgresNotifications({ url: database.url });
  });
  afterEach(async () => {
    await Promise.all(relays.map((relay) => relay.stop()));
    relays = [];
    await notifications.close();
  });
  afterAll(async () => database.close());

  async function start(...subscribers: EventSubscriber[]): Promise<OutboxRelay> {
    const relay = new OutboxRelay(new PostgresOutbox(database.source), notifications, subscribers, {
      batchSize: 10,
      pollSeconds: 60,
    });
    relays.push(relay);
    await relay.start();
    return relay;
  }

  const happen = (revision: number): Promise<void> =>
    writeEvent(database.source, 'advisories.changed', 'advisories', { revision });
  const keys = async (): Promise<string[]> =>
    (await ledger.list({}, { limit: 500 })).items.map((job) => job.key).toSorted();
  const byRevision = (event: OutboxEvent) => [
    { kind: 'test', key: String((event.payload as { revision: number }).revision), payload: {} },
  ];

  it('turns every event into the jobs that its subscribers answer, old ones and new ones', async () => {
    await happen(1);
    await start(byRevision, (event) => [{ kind: 'other', key: event.type, payload: event.payload }]);
    await happen(2);
    await expect.poll(keys).toEqual(['1', '2', 'advisories.changed']);
  });

  it('relays an event that commits after one with a higher sequence number', async () => {
    const late = database.source.createQueryRunner();
    await late.startTransaction();
    await writeEvent(late, 'advisories.changed', 'advisories', { revision: 1 });
    await start(byRevision);
    await happen(2);
    await expect.poll(keys).toEqual(['2']);
    await late.commitTransaction();
    await late.release();
    await expect.poll(keys).toEqual(['1', '2']);
  });

  it('relays each event once, with two relays at work', async () => {
    const seen: number[] = [];
    const subscriber: EventSubscriber = async (event) => {
      seen.push(event.seq);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return byRevision(event);
    };
    await start(subscriber);
    await start(subscriber);
    await Promise.all(Array.from({ length: 60 }, (_, index) => happen(index)));
    await expect.poll(async () => (await keys()).length).toBe(60);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('holds up only the event whose subscriber threw, and tries that again', async () => {
    let failures = 0;
    await start((event) => {
      if (event.payload && 'revision' in event.payload && event.payload.revision === 1 && (failures += 1) < 2)
        throw new Error('not now');
      return byRevision(event);
    });
    await happen(1);
    await happen(2);
    await expect.poll(keys).toEqual(['2']);
    await expect.poll(keys, { timeout: 5000 }).toEqual(['1', '2']);
  });

  it('holds up only the event whose jobs the database refuses', async () => {
    await start((event) => [{ ...byRevision(event)[0]!, payload: event.seq % 2 === 0 ? 'a\u0000' : 'b' }]);
    await database.source.transaction(async (manager) => {
      for (const revision of [1, 2]) {
        await writeEvent(manager, 'advisories.changed', 'advisories', { revision });
      }
    });
    await expect.poll(async () => (await keys()).length).toBe(1);
  });

  it('gets an event for the end of every job that somebody may wait for', async () => {
    const queue = new PostgresJobQueue(database.source);
    const kinds = ['scan.artifact', 'verdict.evaluate'];
    const ids: string[] = [];
    for (const kind of kinds) {
      for (const key of ['1', '2', '3', '4'])
        ids.push(...(await ledger.enqueue([{ kind, key, payload: {} }])));
    }
    const worker = '00000000-0000-7000-8000-000000000000';
    await queue.claim(worker, new Map(kinds.map((kind) => [kind, 3])), 60);
    for (const [index, id] of ids.entries()) {
      if (index % 4 === 0) await queue.finish(worker, id, { kind: 'succeeded' });
      if (index % 4 === 1) await queue.finish(worker, id, { kind: 'failed', error: 'x' });
      if (index % 4 === 2) await queue.finish(worker, id, { kind: 'retry', error: 'x', delaySeconds: 60 });
      if (index % 4 === 3) await ledger.requestCancellation(id);
    }
    const seen: unknown[] = [];
    await start((event) => {
      seen.push(event.payload);
      return [];
    });
    await expect.poll(() => seen.length).toBe(3);
    expect(seen).toEqual([
      { jobId: ids[0], kind: 'scan.artifact', key: '1', state: 'succeeded' },
      { jobId: ids[1], kind: 'scan.artifact', key: '2', state: 'failed' },
      { jobId: ids[3], kind: 'scan.artifact', key: '4', state: 'cancelled' },
    ]);
  });

  it('forgets relayed events only', async () => {
    const outbox = new PostgresOutbox(database.source);
    await happen(1);
    await outbox.relay(10, [], async () => []);
    await happen(2);
    expect(await outbox.prune(3600)).toBe(0);
    expect(await outbox.prune(-1)).toBe(1);
    expect((await outbox.relay(10, [], async () => [])).relayed).toBe(1);
  });
});
