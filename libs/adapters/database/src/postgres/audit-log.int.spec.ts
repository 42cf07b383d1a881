import { setTimeout as sleep } from 'node:timers/promises';
import { CHAIN_START, followChain } from '@sluice/domain/audit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditEvent } from '../ports/audit-log.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresAdvisoryStore } from './advisory-store.ts';
import { appendAuditEvents, PostgresAuditLog } from './audit-log.ts';
import { PostgresAuditTrail } from './audit-trail.ts';

function event(more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    actor: 'admin',
    tokenId: null,
    clientAddress: '127.0.0.1',
    requestId: null,
    action: 'grant.put',
    resource: 'team/app',
    decision: 'allowed',
    detail: {},
    ...more,
  };
}

describe('the audit log in PostgreSQL', () => {
  let database: TestDatabase;
  let log: PostgresAuditLog;
  let trail: PostgresAuditTrail;
  beforeAll(async () => {
    database = await createTestDatabase();
    log = new PostgresAuditLog(database.source);
    trail = new PostgresAuditTrail(database.source);
  });
  afterAll(async () => database.close());

  const verify = async () => followChain(CHAIN_START, await trail.read(0, 10_000));

  it('starts at nothing', async () => {
    expect(await trail.head()).toEqual(CHAIN_START);
  });

  it('makes one chain without gaps of what many write at once, in several processes', async () => {
    const second = new PostgresAuditLog(database.source);
    await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        (index % 2 === 0 ? log : second).record(event({ detail: { index } })),
      ),
    );
    expect(await verify()).toEqual({ seq: 120, hash: (await trail.head()).hash });
  });

  it('goes on while advisories are imported, which takes minutes', async () => {
    const { promise: open, resolve: end } = Promise.withResolvers<void>();
    const file = {
      name: 'x',
      sha256: 'x',
      records: 0,
      faulty: 0,
      faults: [],
      ecosystems: {},
      newestModified: null,
    };
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const importing = new PostgresAdvisoryStore(database.source).import(async () => {
      begin();
      await open;
      return file;
    });
    await begun;
    const before = (await trail.head()).seq;
    await Promise.race([log.record(event()), sleep(10_000)]);
    expect((await trail.head()).seq).toBe(before + 1);
    end();
    await importing;
  });

  it('hashes what the table gives back, whatever the event holds', async () => {
    const { seq } = await trail.head();
    const detail = {
      nul: 'a\u0000b',
      half: '\ud800',
      'key\u0000': 1,
      numbers: [1e21, 0.1, -0, 123456789012345, Number.NaN],
      date: new Date(0),
      gone: undefined,
      nested: { z: 1, a: [null, true] },
      password: 'hunter2',
    };
    await log.record(event({ actor: 'evil\u0000\udc00', detail, policyVersion: 'default@3' }));
    expect(await verify()).toMatchObject({ seq: seq + 1 });
    const [newest] = await trail.list({ after: null, limit: 1 });
    expect(newest?.event).toMatchObject({ policyVersion: 'default@3', detail: { password: '[redacted]' } });
  });

  it('is written with the act or not at all when it takes part in its transaction', async () => {
    const { seq } = await trail.head();
    await expect(
      database.source.transaction(async (manager) => {
        await appendAuditEvents(manager, [event()]);
        throw new Error('the act failed');
      }),
    ).rejects.toThrow('the act failed');
    expect((await trail.head()).seq).toBe(seq);
  });

  it.each([
    `UPDATE audit_event SET actor = 'nobody' WHERE seq = 1`,
    'DELETE FROM audit_event WHERE seq = 1',
    'TRUNCATE audit_event',
  ])('refuses to forget: %s', async (statement) => {
    await expect(database.source.query(statement)).rejects.toThrow('append-only');
  });

  it('lists newest first in pages, by actor, action, decision, resource and what lies below it', async () => {
    for (const resource of ['a/b', 'a/b/c@sha256:1', 'a/bc', 'a/b:tag']) {
      await log.record(event({ actor: 'ann', resource, action: 'artifact.pull', decision: 'denied' }));
    }
    const list = async (query: object) =>
      (await trail.list({ after: null, limit: 10, ...query })).map((link) => link.event.resource);
    expect(await list({ actor: 'ann' })).toEqual(['a/b:tag', 'a/bc', 'a/b/c@sha256:1', 'a/b']);
    expect(await list({ under: 'a/b' })).toEqual(['a/b:tag', 'a/b/c@sha256:1', 'a/b']);
    expect(await list({ resource: 'a/b', decision: 'denied', action: 'artifact.pull' })).toEqual(['a/b']);
    expect(await list({ actor: 'ann', until: new Date(0) })).toEqual([]);
    const [first, second] = await trail.list({ actor: 'ann', after: null, limit: 2 });
    const next = await trail.list({ actor: 'ann', after: second?.event.seq ?? 0, limit: 2 });
    expect([first, second, ...next].map((link) => link?.event.resource)).toEqual(
      await list({ actor: 'ann' }),
    );
  });
});
