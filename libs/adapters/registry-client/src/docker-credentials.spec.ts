import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDockerCredentials, readDockerCredentials } from './docker-credentials.ts';

const REGISTRY = 'registry.example:5000';
const basic = (text: string): string => Buffer.from(text).toString('base64');
const parse = (config: unknown): unknown =>
  parseDockerCredentials(JSON.stringify(config), REGISTRY, 'config.json');

describe('parseDockerCredentials', () => {
  it.each([
    ['auth', { auth: basic('ada:se:cret') }],
    ['auth with the padding of old clients', { auth: basic('ada:se:cret\0\0') }],
    ['user name and password', { username: 'ada', password: 'se:cret' }],
  ])('reads %s', (_name, entry) => {
    expect(parse({ auths: { [REGISTRY]: entry } })).toEqual({ username: 'ada', password: 'se:cret' });
  });

  it('finds the registry under the URL that old clients wrote', () => {
    expect(parse({ auths: { [`https://${REGISTRY}/v2/`]: { auth: basic('ada:x') } } })).toMatchObject({
      username: 'ada',
    });
  });

  it.each([
    ['no entries', {}],
    ['entries of other registries', { auths: { 'registry.example': { auth: basic('a:b') } } }],
    ['an empty entry', { auths: { [REGISTRY]: {} } }],
    ['a helper of other registries', { auths: {}, credHelpers: { other: 'x' } }],
  ])('gives null with %s', (_name, config) => {
    expect(parse(config)).toBeNull();
  });

  it('says so when the password lies with a credential helper', () => {
    expect(() => parse({ auths: { [REGISTRY]: {} }, credsStore: 'desktop' })).toThrow(
      /credential helper "desktop"/,
    );
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['an entry that cannot be used', JSON.stringify({ auths: { [REGISTRY]: { auth: basic('no colon') } } })],
    ['an identity token', JSON.stringify({ auths: { [REGISTRY]: { identitytoken: 'x' } } })],
  ])('refuses %s as CREDENTIALS_INVALID', (_name, text) => {
    expect(() => parseDockerCredentials(text, REGISTRY, 'config.json')).toThrow(
      expect.objectContaining({ code: 'CREDENTIALS_INVALID' }),
    );
  });
});

describe('readDockerCredentials', () => {
  it('reads the file; one that does not exist has no credentials', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-credentials-'));
    const path = join(directory, 'config.json');
    expect(await readDockerCredentials(path, REGISTRY)).toBeNull();
    writeFileSync(path, JSON.stringify({ auths: { [REGISTRY]: { auth: basic('ada:x') } } }));
    expect(await readDockerCredentials(path, REGISTRY)).toEqual({ username: 'ada', password: 'x' });
    await expect(readDockerCredentials(directory, REGISTRY)).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
    });
    rmSync(directory, { recursive: true });
  });
});
