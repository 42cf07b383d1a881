import { randomBytes, randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import {
  activateKey,
  addKey,
  destroyKey,
  EncryptedBlobStorage,
  FileKeys,
  type KeyFileContent,
} from '@sluice/blob-storage/encrypted';
import { MemoryBlobStorage } from '@sluice/blob-storage/memory';
import { type AuditEvent, AuditLog } from '@sluice/database';
import {
  PostgresJobLedger,
  PostgresKeyDomains,
  PostgresNodeStore,
  PostgresObjectKeyEnvelopes,
} from '@sluice/database/postgres';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingKeys } from './check-keys.ts';
import { DataKeyRewrapper } from './data-key-rewrapper.ts';
import { StorageKeys } from './storage-keys.ts';

const ACTOR = { actor: 'user:admin', tokenId: null, clientAddress: null, requestId: null };

class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];
  async record(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }
}

describe('rotation of storage keys', () => {
  let database: TestDatabase;
  let envelopes: PostgresObjectKeyEnvelopes;
  const below = new MemoryBlobStorage();
  let content: KeyFileContent;
  const audit = new RecordingAuditLog();
  beforeEach(async () => {
    database = await createTestDatabase();
    envelopes = new PostgresObjectKeyEnvelopes(database.source);
    content = addKey({ keys: [] }, 'k1');
  });
  afterEach(async () => database.close());

  const storage = (): EncryptedBlobStorage =>
    EncryptedBlobStorage.over(below, FileKeys.of(content), envelopes);
  const rewrapper = (): DataKeyRewrapper => new DataKeyRewrapper(envelopes, FileKeys.of(content));
  const features = (keys: FileKeys | null = FileKeys.of(content)): StorageKeys =>
    new StorageKeys(
      envelopes,
      new PostgresKeyDomains(database.source),
      new PostgresJobLedger(database.source),
      audit,
      keys,
    );
  async function* from(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  async function store(bytes: Buffer): Promise<string> {
    const open = storage();
    const key = open.newKey();
    const { offset, state } = await open.append({ key, offset: 0, state: null }, from(bytes));
    await open.finish({ key, offset, state });
    return key;
  }
  const idle = { signal: new AbortController().signal, progress: () => undefined };

  it('wraps every data key with the active key and leaves the content untouched', async () => {
    const objects = new Map<string, Buffer>();
    for (let index = 0; index < 12; index += 1) {
      const bytes = randomBytes(index * 20_000);
      objects.set(await store(bytes), bytes);
    }
    const stored = new Map<string, Buffer>();
    for (const key of objects.keys()) stored.set(key, await buffer(await below.read(key)));
    content = activateKey(addKey(content, 'k2'), 'k2');
    const progress: [number, number | null, string][] = [];
    const done = await rewrapper().rewrap({
      ...idle,
      progress: (count, total, unit) => progress.push([count, total, unit]),
    });
    expect(done).toBe(12);
    expect(progress).toEqual([
      [0, 12, 'objects'],
      [12, 12, 'objects'],
    ]);
    content = destroyKey(content, 'k1');
    for (const [key, bytes] of objects) {
      expect(await buffer(await storage().read(key))).toEqual(bytes);
      expect(await buffer(await below.read(key))).toEqual(stored.get(key));
    }
    expect(await rewrapper().rewrap(idle)).toBe(0);
  });

  it('goes on where it was interrupted, in batches', async () => {
    for (let index = 0; index < 1_200; index += 1) {
      const key = randomUUID();
      const wrapped = await FileKeys.of(content).wrap('', randomBytes(32), key);
      await envelopes.put(key, { ...wrapped, seal: Buffer.from('seal') });
    }
    content = activateKey(addKey(content, 'k2'), 'k2');
    const abort = new AbortController();
    const first = rewrapper().rewrap({
      signal: abort.signal,
      progress: (done) => {
        if (done > 0) abort.abort(new Error('the process drains'));
      },
    });
    await expect(first).rejects.toThrow('the process drains');
    expect(await envelopes.usage()).toEqual([
      { domain: '', keyId: 'k1', objects: 700, uploads: 0 },
      { domain: '', keyId: 'k2', objects: 500, uploads: 0 },
    ]);
    expect(await rewrapper().rewrap(idle)).toBe(700);
    expect((await envelopes.keysInUse()).map(({ keyId }) => keyId)).toEqual(['k2']);
  });

  it('keeps an object readable that is read while it is rewrapped', async () => {
    const bytes = randomBytes(200_000);
    const key = await store(bytes);
    const reader = storage();
    await buffer(await reader.read(key));
    content = activateKey(addKey(content, 'k2'), 'k2');
    await rewrapper().rewrap(idle);
    expect(await buffer(await reader.read(key))).toEqual(bytes);
  });

  it('does all others and names the first data key that cannot be unwrapped', async () => {
    const key = await store(Buffer.from('x'));
    await envelopes.put('a-broken-one', {
      domain: '',
      keyId: 'k1',
      wrapped: randomBytes(60),
      seal: randomBytes(9),
    });
    content = activateKey(addKey(content, 'k2'), 'k2');
    await expect(rewrapper().rewrap(idle)).rejects.toThrow(
      /^1 data keys could not be rewrapped, first that of a-broken-one: the wrapped key/,
    );
    expect((await envelopes.find(key))?.keyId).toBe('k2');
  });

  it('reports every key, what needs it, and which are missing', async () => {
    await store(Buffer.from('x'));
    await store(Buffer.from('y'));
    content = activateKey(addKey(addKey(content, 'k2'), 'a1', 'acme'), 'k2');
    await store(Buffer.from('z'));
    expect(await features().report()).toEqual({
      encrypts: true,
      keys: [
        { id: 'k1', domain: '', state: 'reading', objects: 2, uploads: 0 },
        { id: 'k2', domain: '', state: 'active', objects: 1, uploads: 0 },
        { id: 'a1', domain: 'acme', state: 'active', objects: 0, uploads: 0 },
      ],
      domains: [],
    });
    expect((await features(null).report()).keys).toEqual([
      { id: 'k1', domain: '', state: 'missing', objects: 2, uploads: 0 },
      { id: 'k2', domain: '', state: 'missing', objects: 1, uploads: 0 },
    ]);
  });

  it('says which keys are missing for a start, but not for those that were destroyed', async () => {
    expect(await missingKeys(envelopes, null)).toBeNull();
    await store(Buffer.from('x'));
    expect(await missingKeys(envelopes, FileKeys.of(content))).toBeNull();
    expect(await missingKeys(envelopes, null)).toBe(
      'stored content is encrypted under "k1": set SLUICE_ENCRYPTION_KEY_FILE to the key file',
    );
    const other = FileKeys.of(addKey({ keys: [] }, 'k9'));
    expect(await missingKeys(envelopes, other)).toMatch(
      /"k1", which the key file does not have: put it back/,
    );
    const without = destroyKey(activateKey(addKey(content, 'k2'), 'k2'), 'k1');
    expect(await missingKeys(envelopes, FileKeys.of(without))).toBeNull();
  });

  it('shreds what is in a domain with its key, and nothing else', async () => {
    const nodes = new PostgresNodeStore(database.source);
    await nodes.create({ kind: 'project', path: 'acme/app' as never, visibility: 'private' });
    content = addKey(content, 'a1', 'acme');
    const shared = await store(Buffer.from('shared'));
    const own = randomUUID();
    const wrapped = EncryptedBlobStorage.over(below, FileKeys.of(content), {
      domainOf: async () => 'acme',
      find: (key) => envelopes.find(key),
      put: (key, envelope) => envelopes.put(key, envelope),
      remove: (key) => envelopes.remove(key),
    });
    const { offset, state } = await wrapped.append(
      { key: own, offset: 0, state: null },
      from(Buffer.from('own')),
    );
    await wrapped.finish({ key: own, offset, state });
    expect((await buffer(await storage().read(own))).toString()).toBe('own');
    content = destroyKey(content, 'a1');
    await expect(storage().read(own)).rejects.toThrow('the key "a1" was destroyed, and its content with it');
    expect((await buffer(await storage().read(shared))).toString()).toBe('shared');
  });

  it('gives a domain only to whom the key file has an active key for, and says so in the audit log', async () => {
    const nodes = new PostgresNodeStore(database.source);
    await nodes.create({ kind: 'project', path: 'acme/app' as never, visibility: 'private' });
    await expect(features().assignDomain(ACTOR, 'acme', 'acme')).rejects.toMatchObject({
      code: 'key-domain-unknown',
    });
    await expect(features(null).assignDomain(ACTOR, 'acme', 'acme')).rejects.toMatchObject({
      code: 'encryption-off',
    });
    content = addKey(content, 'a1', 'acme');
    await features().assignDomain(ACTOR, 'acme', 'acme');
    expect((await features().report()).domains).toMatchObject([{ path: 'acme', domain: 'acme' }]);
    expect(audit.events.at(-1)).toMatchObject({
      action: 'storage.key-domain',
      resource: 'acme',
      detail: { domain: 'acme' },
    });
  });
});
