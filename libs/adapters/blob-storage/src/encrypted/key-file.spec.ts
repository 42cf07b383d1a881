import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileKeys, readKeyFile } from './key-file.ts';
import { activateKey, addKey, destroyKey, writeKeyFile } from './key-file-changes.ts';
import { formatKeyFile, parseKeyFile } from './key-file-content.ts';

const SECRET = randomBytes(32).toString('base64');
const OTHER_SECRET = randomBytes(32).toString('base64');

function parse(document: unknown): unknown {
  return parseKeyFile(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)));
}
function keys(...entries: unknown[]): unknown {
  return { version: 1, keys: entries };
}
const active = { id: 'k1', state: 'active', secret: SECRET };

describe('a key file', () => {
  it('lists an active key, keys for reading, keys of domains and destroyed keys', () => {
    const document = keys(
      active,
      { id: '2025.11', state: 'destroyed' },
      { id: 'acme-1', domain: 'acme', state: 'active', secret: OTHER_SECRET },
    );
    const content = parseKeyFile(Buffer.from(JSON.stringify(document)));
    expect(content.keys.map(({ id, domain, state }) => [id, domain, state])).toEqual([
      ['k1', '', 'active'],
      ['2025.11', '', 'destroyed'],
      ['acme-1', 'acme', 'active'],
    ]);
    expect(parseKeyFile(Buffer.from(formatKeyFile(content)))).toEqual(content);
  });

  it.each([
    ['not JSON', '{', /not JSON/],
    ['a key twice in an object', `{"version": 1, "version": 1, "keys": []}`, /duplicate keys/],
    ['not UTF-8', '{"version": 1, "keys": [\u0000]}', /not JSON/],
    ['a list', [], /must be \{"version": 1/],
    ['another version', { version: 2, keys: [active] }, /"version" must be 1/],
    ['no version', { keys: [active] }, /"version" must be 1/],
    [
      'an unknown key',
      { version: 1, keys: [active], active: 'k1' },
      /unknown key "active"; known are version, keys/,
    ],
    ['no keys', keys(), /at least one key/],
    ['a key that is a text', keys(active, 'k2'), /key 2 must be an object/],
    ['no id', keys({ state: 'active', secret: SECRET }), /key 1 has no text "id"/],
    ['a malformed id', keys({ ...active, id: 'K 1' }), /the id "K 1" is malformed: 1 to 63/],
    ['an id of 64 characters', keys({ ...active, id: 'a'.repeat(64) }), /malformed/],
    ['a malformed domain', keys(active, { ...active, id: 'k2', domain: '-' }), /the domain "-" is malformed/],
    ['an empty domain', keys({ ...active, domain: '' }), /the domain "" is malformed/],
    [
      'an unknown state',
      keys({ ...active, state: 'old' }),
      /"state" of "k1" must be one of active, reading, destroyed/,
    ],
    ['no secret', keys({ id: 'k1', state: 'active' }), /"secret" of "k1" must be 32 bytes in base64/],
    ['a short secret', keys({ ...active, secret: randomBytes(16).toString('base64') }), /32 bytes/],
    ['a secret in hex', keys({ ...active, secret: randomBytes(32).toString('hex') }), /32 bytes/],
    [
      'a secret of a destroyed key',
      keys(active, { id: 'k2', state: 'destroyed', secret: SECRET }),
      /remove its "secret"/,
    ],
    [
      'an id twice',
      keys(active, { ...active, state: 'reading', secret: OTHER_SECRET }),
      /the id "k1" comes twice/,
    ],
    [
      'a secret twice',
      keys(active, { id: 'k2', state: 'reading', secret: SECRET }),
      /"k1" and "k2" have the same secret/,
    ],
    ['two active keys', keys(active, { id: 'k2', state: 'active', secret: OTHER_SECRET }), /both active/],
    ['no active key', keys({ ...active, state: 'reading' }), /no key without "domain" is active/],
    [
      'a domain without an active key',
      keys(active, { id: 'a1', domain: 'acme', state: 'reading', secret: OTHER_SECRET }),
      /no key of the domain "acme" is active/,
    ],
  ])('is refused with %s', (_what, document, message) => {
    expect(() => parse(document)).toThrow(message);
  });

  it('never shows a secret in a message', () => {
    const broken = `{"version": 1, "keys": [{"id": "k1", "state": "active", "secret": "${SECRET}" "x"}]}`;
    expect(() => parse(broken)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(SECRET) as string }) as Error,
    );
  });
});

describe('a key file on disk', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-keys-'));
  });
  afterAll(async () => rm(directory, { recursive: true }));

  async function write(mode: number): Promise<string> {
    const path = join(directory, `${mode.toString(8)}.json`);
    await writeFile(path, JSON.stringify(keys(active)));
    await chmod(path, mode);
    return path;
  }

  it.each([0o600, 0o400])('is read with mode %o', async (mode) => {
    expect((await readKeyFile(await write(mode))).keys).toHaveLength(1);
  });

  it.each([0o640, 0o604, 0o644, 0o610, 0o602])('is refused with mode %o: others can use it', async (mode) => {
    await expect(readKeyFile(await write(mode))).rejects.toThrow(
      new RegExp(`can be used by others \\(mode 0${mode.toString(8)}\\): allow its owner only, chmod 0600`),
    );
  });

  it('is refused when it is not there or a directory', async () => {
    await expect(readKeyFile(join(directory, 'missing'))).rejects.toThrow(
      /cannot read the key file .*ENOENT/,
    );
    await expect(readKeyFile(directory)).rejects.toThrow(/is not a file/);
  });

  it('names itself in what it says of a fault', async () => {
    const path = join(directory, 'empty.json');
    await writeFile(path, '{}', { mode: 0o600 });
    await expect(FileKeys.open(path)).rejects.toThrow(
      `the key file ${path} is not usable: "version" must be 1`,
    );
  });

  it('is written for its owner only, in one step', async () => {
    const path = join(directory, 'new.json');
    await writeKeyFile(path, addKey({ keys: [] }, 'k1'));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeKeyFile(path, addKey(await readKeyFile(path), 'k2'));
    expect(parseKeyFile(await readFile(path)).keys.map(({ id }) => id)).toEqual(['k1', 'k2']);
  });
});

describe('changes of a key file', () => {
  const states = (content: { keys: readonly { id: string; state: string }[] }): string[] =>
    content.keys.map(({ id, state }) => `${id} ${state}`);

  it('add the first key of a domain as the active one, others for reading', () => {
    let content = addKey(addKey({ keys: [] }, 'k1'), 'k2');
    content = addKey(addKey(content, 'a1', 'acme'), 'a2', 'acme');
    expect(states(content)).toEqual(['k1 active', 'k2 reading', 'a1 active', 'a2 reading']);
    expect(() => addKey(content, 'k2')).toThrow('the id "k2" comes twice');
  });

  it('activate one key of a domain and leave the others for reading', () => {
    const content = addKey(addKey(addKey({ keys: [] }, 'k1'), 'k2'), 'a1', 'acme');
    expect(states(activateKey(content, 'k2'))).toEqual(['k1 reading', 'k2 active', 'a1 active']);
    expect(() => activateKey(content, 'k9')).toThrow('there is no key "k9"; there are k1, k2, a1');
    expect(() => activateKey(destroyKey(content, 'a1'), 'a1')).toThrow('was destroyed');
  });

  it('destroy a key for reading, and the last key of a domain, but never the active shared key', () => {
    const content = activateKey(addKey(addKey(addKey({ keys: [] }, 'k1'), 'k2'), 'a1', 'acme'), 'k2');
    const destroyed = destroyKey(destroyKey(content, 'k1'), 'a1');
    expect(states(destroyed)).toEqual(['k1 destroyed', 'k2 active', 'a1 destroyed']);
    expect(destroyed.keys.map(({ secret }) => secret === null)).toEqual([true, false, true]);
    expect(() => destroyKey(destroyed, 'k2')).toThrow('no key without "domain" is active');
    const domain = addKey(content, 'a2', 'acme');
    expect(() => destroyKey(domain, 'a1')).toThrow('no key of the domain "acme" is active');
  });
});

describe('keys of a file', () => {
  const content = activateKey(addKey(addKey(addKey({ keys: [] }, 'k1'), 'k2'), 'a1', 'acme'), 'k2');
  const file = FileKeys.of(content);
  const dataKey = randomBytes(32);

  it('wrap with the active key of the domain and unwrap what they wrapped', async () => {
    const shared = await file.wrap('', dataKey, 'object');
    const own = await file.wrap('acme', dataKey, 'object');
    expect([shared.keyId, own.keyId]).toEqual(['k2', 'a1']);
    expect(await file.unwrap(shared, 'object')).toEqual(dataKey);
    expect(await file.unwrap(own, 'object')).toEqual(dataKey);
    await expect(file.wrap('other', dataKey, 'object')).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
  });

  it('unwrap with a key for reading', async () => {
    const old = await FileKeys.of(activateKey(content, 'k1')).wrap('', dataKey, 'object');
    expect(old.keyId).toBe('k1');
    expect(await file.unwrap(old, 'object')).toEqual(dataKey);
  });

  it('refuse a wrapped key of another object or domain, or under a swapped secret', async () => {
    const wrapped = await file.wrap('', dataKey, 'object');
    const swapped = FileKeys.of(addKey({ keys: [] }, 'k2'));
    for (const attempt of [
      file.unwrap(wrapped, 'other object'),
      file.unwrap({ ...wrapped, domain: 'acme' }, 'object'),
      file.unwrap({ ...wrapped, keyId: 'k1' }, 'object'),
      swapped.unwrap(wrapped, 'object'),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: 'OBJECT_TAMPERED' });
    }
  });

  it('tell a key that was destroyed from one that is missing', async () => {
    const wrapped = await FileKeys.of(activateKey(content, 'k1')).wrap('', dataKey, 'object');
    const without = FileKeys.of(destroyKey(content, 'k1'));
    await expect(without.unwrap(wrapped, 'object')).rejects.toThrow('was destroyed, and its content with it');
    await expect(without.unwrap({ ...wrapped, keyId: 'k9' }, 'object')).rejects.toThrow(
      'not in the key file',
    );
    expect([without.state('k1'), without.state('k2'), without.state('k9')]).toEqual([
      'destroyed',
      'active',
      'missing',
    ]);
  });
});
