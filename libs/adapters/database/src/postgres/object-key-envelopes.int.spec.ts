import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { PostgresObjectKeyEnvelopes } from './object-key-envelopes.ts';

describe('envelopes of encrypted objects', () => {
  let database: TestDatabase;
  let envelopes: PostgresObjectKeyEnvelopes;
  beforeAll(async () => {
    database = await createTestDatabase();
    envelopes = new PostgresObjectKeyEnvelopes(database.source);
  });
  afterAll(async () => database.close());

  const envelope = (keyId: string, domain = '') => ({
    domain,
    keyId,
    wrapped: randomBytes(60),
    seal: randomBytes(90),
  });

  it('come back as they were put, also in the place of another one, until they are removed', async () => {
    expect(await envelopes.find('x/1')).toBeNull();
    await envelopes.put('x/1', envelope('old'));
    const second = envelope('new', 'acme');
    await envelopes.put('x/1', second);
    expect(await envelopes.find('x/1')).toEqual(second);
    await envelopes.remove('x/1');
    await envelopes.remove('x/1');
    expect(await envelopes.find('x/1')).toBeNull();
  });

  it('tell which keys are in use, and how much under each', async () => {
    expect(await envelopes.keysInUse()).toEqual([]);
    for (let index = 0; index < 5; index += 1) await envelopes.put(`u/${index}`, envelope('k1'));
    await envelopes.put('u/5', envelope('a1', 'acme'));
    expect(await envelopes.keysInUse()).toEqual([
      { domain: 'acme', keyId: 'a1' },
      { domain: '', keyId: 'k1' },
    ]);
    expect(await envelopes.usage()).toEqual([
      { domain: '', keyId: 'k1', objects: 5, uploads: 0 },
      { domain: 'acme', keyId: 'a1', objects: 1, uploads: 0 },
    ]);
  });

  it('are listed by key in pages and replaced where they are still what they were', async () => {
    for (let index = 0; index < 5; index += 1) await envelopes.put(`r/${index}`, envelope('r1'));
    const page = await envelopes.list('r1', null, 3);
    expect(page.map(({ objectKey }) => objectKey)).toEqual(['r/0', 'r/1', 'r/2']);
    const changes = page.map(({ objectKey, ...from }) => ({
      objectKey,
      from,
      to: { domain: '', keyId: 'r2', wrapped: randomBytes(60) },
    }));
    const seal = (await envelopes.find('r/1'))?.seal;
    await envelopes.put('r/2', envelope('r1'));
    await envelopes.remove('r/0');
    expect(await envelopes.replace(changes)).toBe(1);
    expect(await envelopes.find('r/1')).toEqual({ ...changes[1]?.to, seal });
    expect((await envelopes.list('r1', 'r/2', 10)).map(({ objectKey }) => objectKey)).toEqual(['r/3', 'r/4']);
    expect(await envelopes.replace([])).toBe(0);
  });
});
