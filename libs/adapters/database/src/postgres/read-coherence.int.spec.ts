import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import type { Forgotten } from '../ports/read-coherence.ts';
import { createTestDatabase, seedArtifact, type TestDatabase } from '../testing/index.ts';
import { PostgresNotifications } from './notifications.ts';
import { PostgresReadCoherence } from './read-coherence.ts';

interface Process {
  readonly coherence: PostgresReadCoherence;
  readonly notifications: PostgresNotifications;
  readonly forgotten: Forgotten[];
}

describe('the coherence of reads', () => {
  let database: TestDatabase;
  let processes: Process[] = [];
  const projectId = newId();
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES ($1, 'project', 'team', ARRAY[$1::uuid])`,
      [projectId],
    );
  });
  afterEach(async () => {
    for (const { coherence, notifications } of processes) {
      await coherence.close();
      await notifications.close();
    }
    processes = [];
  });
  afterAll(async () => database.close());

  async function start(isReader: boolean): Promise<Process> {
    const notifications = new PostgresNotifications({ url: database.url });
    const coherence = await PostgresReadCoherence.open(database.source, notifications, {
      isReader,
      onError: () => undefined,
    });
    const forgotten: Forgotten[] = [];
    coherence.onForget((each) => forgotten.push(each));
    const process = { coherence, notifications, forgotten };
    processes.push(process);
    return process;
  }
  const query = (sql: string, ...values: unknown[]) => database.source.query(sql, values);
  const artifact = (tag: string, state: 'green' | 'amber' | 'red' = 'green') =>
    seedArtifact(database.source, { projectId, repository: 'team/app', tags: [tag], verdict: { state } });
  const principal = async (): Promise<string> => {
    const id = newId();
    await query(`INSERT INTO principal (id, kind, name) VALUES ($1::uuid, 'user', $1::text)`, id);
    return id;
  };

  describe('tells every process what takes something away, whoever writes it:', () => {
    const cases: readonly (readonly [string, () => Promise<Forgotten>])[] = [
      [
        'a tag that moves',
        async () => {
          const { repositoryId } = await artifact('moves');
          await artifact('moves');
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'a tag that is deleted',
        async () => {
          const { repositoryId } = await artifact('deleted');
          await query(`DELETE FROM tag WHERE name = 'deleted'`);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'a manifest that is deleted, also one without tags',
        async () => {
          const { id, repositoryId } = await seedArtifact(database.source, {
            projectId,
            repository: 'team/app',
          });
          await query('DELETE FROM manifest WHERE id = $1', id);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'a green verdict that turns red',
        async () => {
          const { id, repositoryId } = await artifact('worse');
          await query(`UPDATE verdict SET state = 'red' WHERE manifest_id = $1`, id);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'an amber verdict with another warning',
        async () => {
          const { id, repositoryId } = await artifact('amber', 'amber');
          await query(`UPDATE verdict SET summary = 'another' WHERE manifest_id = $1`, id);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'a verdict that is removed',
        async () => {
          const { id, repositoryId } = await artifact('unjudged');
          await query(`DELETE FROM verdict WHERE manifest_id = $1`, id);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'rules that change',
        async () => {
          const { repositoryId } = await artifact('rules');
          await query(
            'UPDATE repository SET rules_revision = rules_revision + 1 WHERE id = $1',
            repositoryId,
          );
          return { kind: 'repository', id: repositoryId };
        },
      ],
      [
        'a repository that is deleted',
        async () => {
          const { repositoryId } = await seedArtifact(database.source, {
            projectId,
            repository: 'team/gone',
          });
          await query('DELETE FROM repository WHERE id = $1', repositoryId);
          return { kind: 'repository', id: repositoryId };
        },
      ],
      ...(['epoch = epoch + 1', 'disabled_at = now()', 'expires_at = now()'] as const).map(
        (change): readonly [string, () => Promise<Forgotten>] => [
          `a principal with ${change}`,
          async () => {
            const id = await principal();
            await query(`UPDATE principal SET ${change} WHERE id = $1`, id);
            return { kind: 'principal', id };
          },
        ],
      ),
      [
        'a principal that is deleted',
        async () => {
          const id = await principal();
          await query('DELETE FROM principal WHERE id = $1', id);
          return { kind: 'principal', id };
        },
      ],
    ];
    it.each(cases)('%s', async (_title, change) => {
      const { coherence, forgotten } = await start(true);
      const expected = await change();
      await coherence.settle();
      expect(forgotten).toContainEqual(expected);
    });

    it('and nothing of what only adds: new tags, new manifests, verdicts that turn green, new names', async () => {
      const { coherence, forgotten } = await start(true);
      const { id } = await artifact('new', 'red');
      await query(`UPDATE verdict SET state = 'green' WHERE manifest_id = $1`, id);
      await query('UPDATE principal SET display_name = $2 WHERE id = $1', await principal(), 'Somebody');
      await coherence.settle();
      expect(forgotten).toEqual([]);
      expect(coherence.generation).toBe(0);
    });
  });

  it('has every reader told before a change is settled, whichever process settles it', async () => {
    const [writer, first, second] = [await start(false), await start(true), await start(true)];
    for (let round = 0; round < 30; round++) {
      const id = await principal();
      await query('UPDATE principal SET epoch = epoch + 1 WHERE id = $1', id);
      await writer.coherence.settle();
      expect(first.forgotten).toContainEqual({ kind: 'principal', id });
      expect(second.forgotten).toContainEqual({ kind: 'principal', id });
    }
  });

  it('settles what many change at once', async () => {
    const [writer, reader] = [await start(true), await start(true)];
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const id = await principal();
        await query('UPDATE principal SET epoch = epoch + 1 WHERE id = $1', id);
        await writer.coherence.settle();
        expect(reader.forgotten).toContainEqual({ kind: 'principal', id });
      }),
    );
  });

  it('assures a reader while it listens, and nobody else', async () => {
    expect((await start(true)).coherence.isAssured).toBe(true);
    expect((await start(false)).coherence.isAssured).toBe(false);
  });

  it('waits for a reader that hears nothing any more until its lease has ended, and no longer', async () => {
    const [writer, deaf] = [await start(true), await start(true)];
    expect(deaf.coherence.isAssured).toBe(true);
    await deaf.notifications.close();
    const startedAt = performance.now();
    await writer.coherence.settle();
    expect(deaf.coherence.isAssured).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const again = performance.now();
    await deaf.coherence.close();
    await writer.coherence.settle();
    expect(performance.now() - again).toBeLessThan(2_000);
  });

  it('waits no longer than a lease when the clock of the database was set back, and once', async () => {
    const { coherence } = await start(false);
    await query(`INSERT INTO reader (id, expires_at) VALUES ($1, now() + interval '1 hour')`, newId());
    const startedAt = performance.now();
    await coherence.settle();
    expect(performance.now() - startedAt).toBeGreaterThan(2_000);
    expect(performance.now() - startedAt).toBeLessThan(4_500);
    expect(await query('SELECT id FROM reader')).toEqual([]);
  });

  it('keeps the rows of readers over a crash of the server, which may be up again before their leases end', async () => {
    const rows = await query(`SELECT relpersistence AS kind FROM pg_class WHERE oid = 'reader'::regclass`);
    expect(rows).toEqual([{ kind: 'p' }]);
  });

  it('has everything forgotten after a lost connection', async () => {
    const { coherence, forgotten } = await start(true);
    await query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'sluice-listener'`,
    );
    await expect.poll(() => forgotten, { timeout: 10_000 }).toContainEqual({ kind: 'everything' });
    expect(coherence.generation).toBe(1);
    await expect.poll(() => coherence.isAssured, { timeout: 10_000 }).toBe(true);
  });

  it('ends the lease of a process that closes', async () => {
    const [writer, reader] = [await start(true), await start(true)];
    await reader.coherence.close();
    expect(reader.coherence.isAssured).toBe(false);
    const rows = await query('SELECT count(*)::int AS readers FROM reader');
    expect(rows).toEqual([{ readers: 1 }]);
    await sleep(0);
    expect(writer.coherence.isAssured).toBe(true);
  });
});
