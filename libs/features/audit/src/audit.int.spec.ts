import { type AuditEvent } from '@sluice/database';
import { PostgresAuditLog, PostgresAuditTrail } from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { hashEvent } from '@sluice/domain/audit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Audit } from './audit.ts';

const EVENTS = 1500;

describe('the proof of the audit log', () => {
  let database: TestDatabase;
  let trail: PostgresAuditTrail;
  let audit: Audit;
  beforeAll(async () => {
    database = await createTestDatabase();
    trail = new PostgresAuditTrail(database.source);
    audit = new Audit(trail);
    const log = new PostgresAuditLog(database.source);
    await Promise.all(Array.from({ length: EVENTS }, (_, index) => log.record(event(index))));
  });
  afterAll(async () => database.close());

  function event(index: number): AuditEvent {
    return {
      actor: 'admin',
      tokenId: null,
      clientAddress: null,
      requestId: null,
      action: 'policy.put',
      resource: `team/${index}`,
      decision: 'allowed',
      detail: { index },
    };
  }

  /** What somebody with every right in the database could do; undone at the end. */
  async function tampered(statements: string[], check: () => Promise<void>): Promise<void> {
    await database.source.query('CREATE TABLE kept AS TABLE audit_event');
    await database.source.query('ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only');
    try {
      for (const statement of statements) await database.source.query(statement);
      await check();
    } finally {
      await database.source.query('DELETE FROM audit_event');
      await database.source.query('INSERT INTO audit_event SELECT * FROM kept');
      await database.source.query('ALTER TABLE audit_event ENABLE TRIGGER audit_event_append_only');
      await database.source.query('DROP TABLE kept');
    }
  }

  it('holds over many batches and tells where the chain stands', async () => {
    const progress: number[] = [];
    expect(await audit.verify({ onProgress: (done) => progress.push(done) })).toEqual({
      intact: true,
      head: await trail.head(),
    });
    expect(progress).toEqual([1000, 1500]);
  });

  it.each([
    ['a changed actor', [`UPDATE audit_event SET actor = 'nobody' WHERE seq = 1200`], 1200],
    ['a changed time', [`UPDATE audit_event SET at = at - interval '1 day' WHERE seq = 3`], 3],
    ['a changed detail', [`UPDATE audit_event SET detail = '{"index": 7}' WHERE seq = 1001`], 1001],
    ['a removed event', ['DELETE FROM audit_event WHERE seq = 1000'], 1000],
    [
      'a removed event whose gap was closed',
      ['DELETE FROM audit_event WHERE seq = 1000', 'UPDATE audit_event SET seq = seq - 1 WHERE seq > 1000'],
      1000,
    ],
  ])('names the first broken link: %s', async (_title, statements, seq) => {
    await tampered(statements, async () => {
      expect(await audit.verify()).toMatchObject({ intact: false, broken: { seq } });
    });
  });

  it('finds out that the end was cut off, by the head of an earlier proof', async () => {
    const anchor = await trail.head();
    await tampered([`DELETE FROM audit_event WHERE seq > ${EVENTS - 10}`], async () => {
      expect(await audit.verify()).toMatchObject({ intact: true });
      expect(await audit.verify({ anchor })).toMatchObject({ intact: false, broken: { seq: EVENTS - 9 } });
    });
  });

  it('finds out that the last event was rewritten with its hash, by the head of an earlier proof', async () => {
    const anchor = await trail.head();
    const [last] = await trail.list({ after: null, limit: 1 });
    if (last === undefined) throw new Error('the log is empty');
    const hash = hashEvent(last.previousHash, { ...last.event, actor: 'nobody' });
    const forge = `UPDATE audit_event SET actor = 'nobody', hash = decode('${hash}', 'hex') WHERE seq = ${EVENTS}`;
    await tampered([forge], async () => {
      expect(await audit.verify()).toMatchObject({ intact: true });
      expect(await audit.verify({ anchor })).toMatchObject({ intact: false, broken: { seq: EVENTS } });
    });
  });

  it('stops when it is told to', async () => {
    await expect(audit.verify({ signal: AbortSignal.abort() })).rejects.toThrow();
  });
});
