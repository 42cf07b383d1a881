import { readFileSync } from 'node:fs';
import { type AuditActor, type AuditEvent, AuditLog } from '@sluice/database';
import { PostgresNodeStore, PostgresTrustedKeyStore } from '@sluice/database/postgres';
import { type TestDatabase, createTestDatabase } from '@sluice/database/testing';
import { parseNodePath } from '@sluice/domain/access';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TrustedKeys } from './trusted-keys.ts';

const TESTDATA = new URL('../../../domain/src/signature/testdata/', import.meta.url);
const pem = (name: string): string => readFileSync(new URL(name, TESTDATA), 'utf8');
const ADA: AuditActor = { actor: 'ada', tokenId: null, clientAddress: null, requestId: null };

class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];

  record(event: AuditEvent): Promise<void> {
    this.events.push(event);
    return Promise.resolve();
  }
}

describe('TrustedKeys', () => {
  let database: TestDatabase;
  let audit: RecordingAuditLog;
  let keys: TrustedKeys;
  let nodeId: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    const nodes = new PostgresNodeStore(database.source);
    const [node] = await nodes.create({ kind: 'group', path: parseNodePath('team'), visibility: 'private' });
    nodeId = node?.id ?? '';
  });
  afterAll(async () => database.close());
  beforeEach(async () => {
    await database.source.query('TRUNCATE trusted_key');
    audit = new RecordingAuditLog();
    keys = new TrustedKeys(new PostgresTrustedKeyStore(database.source), audit);
  });

  it('adds a public key under its id, and records who did', async () => {
    const added = await keys.add(ADA, { nodeId, name: 'release', pem: `\n${pem('p256.pub')}\n` });
    expect(added).toMatchObject({
      name: 'release',
      algorithm: 'ecdsa-p256',
      createdBy: 'ada',
      pem: pem('p256.pub'),
    });
    expect(added.keyId).toMatch(/^[0-9a-f]{64}$/);
    expect(await keys.listForNode(nodeId)).toEqual([added]);
    expect(audit.events).toMatchObject([{ actor: 'ada', action: 'trusted-key.add', resource: 'team' }]);
  });

  it.each([
    ['a private key', 'p256.key', 'KEY_IS_PRIVATE'],
    ['something that is no key', 'digests.json', 'KEY_INVALID'],
  ])('refuses %s', async (_name, file, code) => {
    await expect(keys.add(ADA, { nodeId, name: 'release', pem: pem(file) })).rejects.toMatchObject({ code });
    expect(await keys.listForNode(nodeId)).toEqual([]);
  });

  it.each(['', 'a b', '-a', 'a/', 'a'.repeat(64), 'é', 'a\n'])('refuses the name %j', async (name) => {
    await expect(keys.add(ADA, { nodeId, name, pem: pem('p256.pub') })).rejects.toMatchObject({
      code: 'trusted-key-name-invalid',
    });
  });

  it('removes a key, records who did, and says when there is none', async () => {
    const { id } = await keys.add(ADA, { nodeId, name: 'a'.repeat(63), pem: pem('p256.pub') });
    await keys.remove(ADA, id);
    expect(await keys.get(id)).toBeNull();
    await expect(keys.remove(ADA, id)).rejects.toMatchObject({ code: 'trusted-key-unknown' });
    expect(audit.events.map(({ action }) => action)).toEqual(['trusted-key.add', 'trusted-key.remove']);
  });
});
