import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseServer, credentialsFor } from './connection.ts';
import { isUnencrypted, parseServerUrl } from './server-url.ts';

const config = {
  current: 'https://sluice.example.com',
  servers: [
    { url: 'https://sluice.example.com', user: 'anna', secret: 'slc_pat_a' },
    { url: 'http://127.0.0.1:8080', user: 'admin', secret: 'slc_pat_b' },
  ],
};

describe('choosing the server', () => {
  it('takes --url, then SLUICE_URL, then the registry that the reference names, then the last login', () => {
    const reference = '127.0.0.1:8080/team/app:1';
    const environment = { SLUICE_URL: 'https://env.example.com/' };
    expect(chooseServer(config, environment, { url: 'a.example.com', reference })).toBe(
      'https://a.example.com',
    );
    expect(chooseServer(config, environment, { reference })).toBe('https://env.example.com');
    expect(chooseServer(config, {}, { reference })).toBe('http://127.0.0.1:8080');
    expect(chooseServer(config, {}, { reference: 'team/app:1' })).toBe('https://sluice.example.com');
    expect(chooseServer({ current: null, servers: [] }, {}, {})).toBeNull();
  });
});

describe('the URL of a server', () => {
  it.each([
    ['sluice.example.com', 'https://sluice.example.com'],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['localhost:8080/', 'http://localhost:8080'],
    ['HTTPS://Sluice.Example.com/prefix/', 'https://sluice.example.com/prefix'],
  ])('%s means %s', (text, expected) => {
    expect(parseServerUrl(text)).toBe(expected);
  });

  it.each(['ftp://x', 'http://', 'https://x/?a=1', ''])('refuses %j', (text) => {
    expect(() => parseServerUrl(text)).toThrow(/invalid server URL/);
  });

  it('refuses credentials in it, and does not repeat them', () => {
    expect(() => parseServerUrl('https://anna:hunter2@x.example')).toThrow(/^(?!.*hunter2)/);
  });

  it('tells where credentials would cross a network in the clear', () => {
    expect(isUnencrypted('http://sluice.example.com')).toBe(true);
    expect(isUnencrypted('http://127.0.0.1:8080')).toBe(false);
    expect(isUnencrypted('http://localhost.example.com')).toBe(true);
    expect(isUnencrypted('https://sluice.example.com')).toBe(false);
  });
});

describe('choosing the credentials', () => {
  const url = 'https://sluice.example.com';

  it('takes a token, then a user and password of the environment, then the stored login', () => {
    const password = { SLUICE_USER: 'bob', SLUICE_PASSWORD: 'p' };
    expect(credentialsFor(config, { SLUICE_TOKEN: 't', ...password }, url).credentials).toEqual({
      kind: 'bearer',
      token: 't',
    });
    expect(credentialsFor(config, password, url).credentials).toMatchObject({ kind: 'basic', user: 'bob' });
    expect(credentialsFor(config, {}, url).credentials).toMatchObject({
      user: 'anna',
      password: 'slc_pat_a',
    });
    expect(credentialsFor(config, {}, 'https://other.example').credentials).toEqual({ kind: 'none' });
  });

  it('reads a token from a file, and refuses both at once and half a login', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
    try {
      const file = join(directory, 'token');
      writeFileSync(file, 'slc_pat_file\n');
      expect(credentialsFor(config, { SLUICE_TOKEN_FILE: file }, url).credentials).toEqual({
        kind: 'bearer',
        token: 'slc_pat_file',
      });
      expect(() => credentialsFor(config, { SLUICE_TOKEN_FILE: file, SLUICE_TOKEN: 't' }, url)).toThrow(
        /not both/,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(() => credentialsFor(config, { SLUICE_USER: 'bob' }, url)).toThrow(/go together/);
  });
});
