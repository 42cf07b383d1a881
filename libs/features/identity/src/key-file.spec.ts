import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyFile } from './key-file.ts';

describe('the file of token keys', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-keys-'));
  });
  afterAll(async () => rm(directory, { recursive: true, force: true }));

  it('is made at first, readable by its owner only, and read afterwards', async () => {
    const path = join(directory, 'deep', 'token-keys.json');
    const first = await (await KeyFile.open(path)).signing();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await (await KeyFile.open(path)).signing()).kid).toBe(first.kid);
  });

  it('gives processes that start at once the same key', async () => {
    const path = join(directory, 'race.json');
    const files = await Promise.all(Array.from({ length: 4 }, () => KeyFile.open(path)));
    const kids = await Promise.all(files.map(async (file) => (await file.signing()).kid));
    expect(new Set(kids).size).toBe(1);
  });

  it('signs with its first key and verifies with all', async () => {
    const path = join(directory, 'two.json');
    const old = await (await KeyFile.open(path)).signing();
    const newer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
    const { keys } = JSON.parse(await readFile(path, 'utf8')) as { keys: object[] };
    await writeFile(path, JSON.stringify({ keys: [newer, ...keys] }));
    const file = await KeyFile.open(path);
    expect((await file.signing()).kid).not.toBe(old.kid);
    expect(await file.verifying(old.kid)).not.toBeNull();
    expect(await file.verifying('unknown')).toBeNull();
  });

  it('takes the keys that openssl writes, several in one file', async () => {
    const path = join(directory, 'pem.key');
    const pair = (): string =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        format: 'pem',
        type: 'pkcs8',
      }) as string;
    const [first, second] = [pair(), pair()];
    await writeFile(path, first);
    const { kid } = await (await KeyFile.open(path)).signing();
    await writeFile(path, second + first);
    const both = await KeyFile.open(path);
    expect((await both.signing()).kid).not.toBe(kid);
    expect(await both.verifying(kid)).not.toBeNull();
  });

  it.each([
    ['no JSON', 'not json', /neither a JWK set nor PEM keys/],
    ['no keys', '{"keys":[]}', /neither a JWK set nor PEM keys/],
    ['a PEM certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /PEM keys/],
    [
      'a public key',
      JSON.stringify({
        keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })],
      }),
      /private keys only/,
    ],
    [
      'an RSA key',
      JSON.stringify({
        keys: [generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({ format: 'jwk' })],
      }),
      /P-256/,
    ],
  ])('that holds %s is refused and left alone', async (_, text, message) => {
    const path = join(directory, 'bad.json');
    await writeFile(path, text);
    await expect(KeyFile.open(path)).rejects.toThrow(message);
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});
