import type { Digest } from '@sluice/domain/oci';
import type { ScanEvidence } from '@sluice/domain/policy';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresEvidenceStore } from './evidence-store.ts';
import { queryRows } from './sql.ts';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const SCAN = { digest: DIGEST, repositoryId: null, kind: 'scan' } as const;

function report(more: Partial<ScanEvidence> = {}): ScanEvidence {
  return {
    kind: 'scan',
    state: 'ok',
    reasons: [],
    packages: 1,
    findings: [],
    engine: 'test/1',
    advisoryRevision: 1,
    scannedAt: '2026-01-01T00:00:00Z',
    ...more,
  };
}

describe('the evidence store', () => {
  let database: TestDatabase;
  let store: PostgresEvidenceStore;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = new PostgresEvidenceStore(database.source);
  });
  afterAll(async () => database.close());
  beforeEach(async () => database.source.query('TRUNCATE evidence, outbox'));

  const events = () =>
    queryRows<{ payload: unknown }>(
      database.source,
      `SELECT payload FROM outbox WHERE type = 'evidence.changed'`,
    );

  it('writes the event in the transaction that changes what is known', async () => {
    expect(await store.replace(SCAN, 'test/1', [{ key: '', payload: report() }])).toBe(true);
    expect(await events()).toEqual([{ payload: { digest: DIGEST, repositoryId: null } }]);
  });

  it('does not call a second look that sees the same a change, and keeps its id', async () => {
    await store.replace(SCAN, 'test/1', [{ key: '', payload: report() }]);
    const [before] = await store.list(SCAN);
    const later = report({ scannedAt: '2026-02-02T00:00:00Z' });
    expect(await store.replace(SCAN, 'test/1', [{ key: '', payload: later }])).toBe(false);
    expect(await events()).toHaveLength(1);
    const [after] = await store.list(SCAN);
    expect(after).toMatchObject({ id: before?.id, payload: later });
  });

  it('gives a changed fact a new id', async () => {
    await store.replace(SCAN, 'test/1', [{ key: '', payload: report() }]);
    const [before] = await store.list(SCAN);
    expect(await store.replace(SCAN, 'test/1', [{ key: '', payload: report({ packages: 2 }) }])).toBe(true);
    expect((await store.list(SCAN))[0]?.id).not.toBe(before?.id);
  });

  it('removes what is no longer said, and only of that subject', async () => {
    const other = { ...SCAN, digest: `sha256:${'b'.repeat(64)}` };
    await store.replace(other, 'test/1', [{ key: '', payload: report() }]);
    await store.replace(SCAN, 'test/1', [
      { key: 'x', payload: report() },
      { key: 'y', payload: report() },
    ]);
    expect(await store.replace(SCAN, 'test/1', [{ key: 'y', payload: report() }])).toBe(true);
    expect((await store.list(SCAN)).map(({ key }) => key)).toEqual(['y']);
    expect(await store.list(other)).toHaveLength(1);
    expect(await store.replace(SCAN, 'test/1', [])).toBe(true);
    expect(await store.replace(SCAN, 'test/1', [])).toBe(false);
  });

  it('stores texts that come from hostile files', async () => {
    const payload = report({ reasons: ['nul \u0000 and half \ud800 a pair', 'a literal \\u0000 stays'] });
    await store.replace(SCAN, 'test/1', [{ key: '', payload }]);
    expect((await store.list(SCAN))[0]?.payload).toMatchObject({
      reasons: ['nul \ufffd and half \ufffd a pair', 'a literal \\u0000 stays'],
    });
    expect(await store.replace(SCAN, 'test/1', [{ key: '', payload }])).toBe(false);
  });

  it('does not interleave two reports about one subject', async () => {
    await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        store.replace(SCAN, 'test/1', [
          { key: `a${index}`, payload: report() },
          { key: `b${index}`, payload: report() },
        ]),
      ),
    );
    const keys = (await store.list(SCAN)).map(({ key }) => key);
    expect(keys).toHaveLength(2);
    expect(keys[0]?.slice(1)).toBe(keys[1]?.slice(1));
  });
});
