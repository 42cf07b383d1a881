import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresNotifications } from './notifications.ts';

describe('notifications', () => {
  let database: TestDatabase;
  let opened: PostgresNotifications[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await Promise.all(opened.map((notifications) => notifications.close()));
    opened = [];
  });
  afterAll(async () => database.close());

  function open(
    url = database.url,
    onError: (error: unknown) => void = () => undefined,
  ): PostgresNotifications {
    const notifications = new PostgresNotifications({ url, onError });
    opened.push(notifications);
    return notifications;
  }
  const notify = (channel: string, payload: string) =>
    database.source.query('SELECT pg_notify($1, $2)', [channel, payload]);
  const cut = () =>
    database.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sluice-listener'`,
    );

  it('reach every handler of their channel and no other', async () => {
    const notifications = open();
    const heard: string[] = [];
    await notifications.subscribe('one', (payload) => heard.push(`a ${payload}`));
    await notifications.subscribe('one', (payload) => heard.push(`b ${payload}`));
    await notifications.subscribe('Two "odd" name', (payload) => heard.push(`c ${payload}`));
    await notify('one', '1');
    await notify('Two "odd" name', '2');
    await expect.poll(() => heard).toEqual(['a 1', 'b 1', 'c 2']);
  });

  it('stop when the handler stops listening, and not for the others', async () => {
    const notifications = open();
    const heard: string[] = [];
    const stop = await notifications.subscribe('one', (payload) => heard.push(`a ${payload}`));
    await notifications.subscribe('one', (payload) => heard.push(`b ${payload}`));
    await stop();
    await notify('one', '1');
    await expect.poll(() => heard).toEqual(['b 1']);
  });

  it('call every handler with null after a lost connection, and go on', async () => {
    const errors: unknown[] = [];
    const notifications = open(database.url, (error) => errors.push(error));
    const heard: (string | null)[] = [];
    await notifications.subscribe('one', (payload) => heard.push(payload));
    await cut();
    await expect.poll(() => heard, { timeout: 5000 }).toEqual([null]);
    await notify('one', '1');
    await expect.poll(() => heard).toEqual([null, '1']);
    expect(errors).toHaveLength(1);
  });

  it('do not fail when the server is away at first: they go on trying', async () => {
    const errors: unknown[] = [];
    const closed = new URL(database.url);
    closed.port = '1';
    const notifications = open(closed.href, (error) => errors.push(error));
    await notifications.subscribe('one', () => undefined);
    expect(errors.length).toBeGreaterThan(0);
  });

  it('survive a handler that throws', async () => {
    const errors: unknown[] = [];
    const notifications = open(database.url, (error) => errors.push(error));
    const heard: (string | null)[] = [];
    await notifications.subscribe('one', () => {
      throw new Error('not my day');
    });
    await notifications.subscribe('one', (payload) => heard.push(payload));
    await notify('one', '1');
    await expect.poll(() => heard).toEqual(['1']);
    expect(errors).toMatchObject([{ message: 'not my day' }]);
  });

  it('leave no connection behind when they are closed, also while they reconnect', async () => {
    const notifications = open();
    await notifications.subscribe('one', () => undefined);
    await cut();
    await notifications.close();
    await sleep(400);
    const rows: unknown = await database.source.query(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice-listener'`,
    );
    expect(rows).toEqual([]);
  });
});
