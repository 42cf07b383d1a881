import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import type { Denial } from '../ports/denial-log.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresAuditTrail } from './audit-trail.ts';
import { PostgresDenialList } from './denial-list.ts';
import { PostgresDenialLog } from './denial-log.ts';

function denial(more: Partial<Denial> = {}): Denial {
  return {
    at: new Date('2026-11-21T10:00:00Z'),
    principalId: newId(),
    principalName: 'ann',
    tokenId: 'jti-1',
    repository: 'team/app/web',
    reference: 'v1',
    digest: `sha256:${'a'.repeat(64)}`,
    rule: 'vulnerabilities',
    reason: 'vulnerabilities: 1 fixable critical finding',
    verdictId: newId(),
    clientAddress: '127.0.0.1',
    userAgent: 'docker/29',
    requestId: 'r1',
    ...more,
  };
}

describe('the denial log in PostgreSQL', () => {
  let database: TestDatabase;
  let list: PostgresDenialList;
  beforeAll(async () => {
    database = await createTestDatabase();
    list = new PostgresDenialList(database.source);
  });
  afterAll(async () => database.close());
  beforeEach(async () => database.source.query('TRUNCATE denial'));

  const all = (query: object = {}) => list.list({ after: null, limit: 100, ...query });

  it('writes soon after, and each denial is an audit event', async () => {
    const log = new PostgresDenialLog(database.source, { flushMs: 10 });
    log.record(denial());
    await expect.poll(async () => (await all()).length).toBe(1);
    expect((await all())[0]).toMatchObject({
      principalName: 'ann',
      rule: 'vulnerabilities',
      userAgent: 'docker/29',
    });
    const [newest] = await new PostgresAuditTrail(database.source).list({ after: null, limit: 1 });
    expect(newest?.event).toMatchObject({
      actor: 'ann',
      tokenId: 'jti-1',
      action: 'artifact.pull',
      decision: 'denied',
      resource: `team/app/web@sha256:${'a'.repeat(64)}`,
    });
    await log.close();
  });

  it('writes what is left when it closes', async () => {
    const log = new PostgresDenialLog(database.source, { flushMs: 60_000 });
    for (let index = 0; index < 1200; index += 1) log.record(denial({ reference: `v${index}` }));
    await log.close();
    expect(
      new Set((await list.list({ after: null, limit: 2000 })).map(({ reference }) => reference)).size,
    ).toBe(1200);
  });

  it('keeps to its bound, and the audit log says how many were lost', async () => {
    const log = new PostgresDenialLog(database.source, { flushMs: 60_000, maxWaiting: 3 });
    for (let index = 0; index < 10; index += 1) log.record(denial());
    await log.close();
    expect(await all()).toHaveLength(3);
    const [newest] = await new PostgresAuditTrail(database.source).list({ after: null, limit: 1 });
    expect(newest?.event).toMatchObject({ action: 'denial.lose', detail: { count: 7 } });
  });

  it('keeps denials while the database is away', async () => {
    const errors: unknown[] = [];
    const log = new PostgresDenialLog(database.source, {
      flushMs: 5,
      onError: (error) => errors.push(error),
    });
    await database.source.query('ALTER TABLE denial RENAME TO denial_away');
    log.record(denial());
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    await database.source.query('ALTER TABLE denial_away RENAME TO denial');
    await log.close();
    expect(await all()).toHaveLength(1);
  });

  it('is not held up by one that the table refuses, nor by texts of hostile clients', async () => {
    const log = new PostgresDenialLog(database.source, { flushMs: 60_000 });
    log.record(denial({ reference: 'first', userAgent: `\u0000\ud800${'x'.repeat(100_000)}` }));
    log.record(denial({ reference: 'bad', verdictId: 'not-a-uuid' }));
    log.record(denial({ reference: 'last' }));
    await log.close();
    expect((await all()).map(({ reference }) => reference).toSorted()).toEqual(['first', 'last']);
  });

  it('lists newest first in pages, by repository, node, principal, digest, rule and time', async () => {
    const log = new PostgresDenialLog(database.source);
    const ann = newId();
    log.record(denial({ repository: 'a/b', principalId: ann, rule: 'scan' }));
    log.record(denial({ repository: 'a/bc', at: new Date('2026-11-22T10:00:00Z') }));
    log.record(denial({ repository: 'a/b/c', digest: null, principalId: null }));
    await log.close();
    const repositories = async (query: object) =>
      (await all(query)).map(({ repository }) => repository).toSorted();
    expect(await repositories({ under: 'a/b' })).toEqual(['a/b', 'a/b/c']);
    expect(await repositories({ repository: 'a/b' })).toEqual(['a/b']);
    expect(await repositories({ principalId: ann })).toEqual(['a/b']);
    expect(await repositories({ rule: 'scan' })).toEqual(['a/b']);
    expect(await repositories({ digest: `sha256:${'a'.repeat(64)}` })).toEqual(['a/b', 'a/bc']);
    expect(await repositories({ since: new Date('2026-11-22T00:00:00Z') })).toEqual(['a/bc']);
    expect(await repositories({ until: new Date('2026-11-22T00:00:00Z') })).toEqual(['a/b', 'a/b/c']);
    const [first] = await list.list({ after: null, limit: 1 });
    const rest = await list.list({ after: first?.id ?? null, limit: 5 });
    expect(rest).toHaveLength(2);
  });
});
