import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import { VERDICT_CHANNEL } from '../ports/verdict-signals.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresNotifications } from './notifications.ts';
import { PostgresVerdictSignals } from './verdict-signals.ts';

describe('verdict signals', () => {
  let database: TestDatabase;
  let notifications: PostgresNotifications;
  let signals: PostgresVerdictSignals;
  beforeAll(async () => {
    database = await createTestDatabase();
    notifications = new PostgresNotifications({ url: database.url });
    signals = await PostgresVerdictSignals.open(notifications);
  });
  afterAll(async () => {
    await notifications.close();
    await database.close();
  });

  async function storeVerdictOf(manifestId: string): Promise<void> {
    await database.source.query('SELECT pg_notify($1, $2)', [VERDICT_CHANNEL, manifestId]);
  }

  it('wakes whoever watches the artifact, and nobody else', async () => {
    const [mine, other] = [newId(), newId()];
    const watch = signals.watch(mine);
    const otherWatch = signals.watch(other);
    const waiting = watch.next(10_000);
    await storeVerdictOf(mine);
    expect(await waiting).toBe(true);
    expect(await otherWatch.next(50)).toBe(false);
    watch.close();
    otherWatch.close();
  });

  it('remembers a verdict that was stored between opening the watch and waiting', async () => {
    const id = newId();
    const watch = signals.watch(id);
    const witness = signals.watch(id);
    const witnessed = witness.next(10_000);
    await storeVerdictOf(id);
    expect(await witnessed).toBe(true);
    expect(await watch.next(0)).toBe(true);
    expect(await watch.next(0), 'a signal counts once').toBe(false);
    watch.close();
    witness.close();
  });

  it('stops waiting when the asker goes away', async () => {
    const watch = signals.watch(newId());
    const gone = new AbortController();
    const waiting = watch.next(60_000, gone.signal);
    gone.abort();
    expect(await waiting).toBe(false);
    watch.close();
  });

  it('wakes everybody after a lost connection, because signals may have been missed', async () => {
    const watch = signals.watch(newId());
    const waiting = watch.next(20_000);
    await database.source.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'sluice-listener' AND datname = current_database()`,
    );
    expect(await waiting).toBe(true);
    watch.close();
  });
});
