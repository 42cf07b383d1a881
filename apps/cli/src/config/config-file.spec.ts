import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliError } from '../cli-error.ts';
import {
  configPath,
  foreignPermissions,
  loadConfig,
  saveConfig,
  withLogin,
  withoutLogin,
} from './config-file.ts';

const LOGIN = { url: 'https://sluice.example.com', user: 'anna', secret: 'slc_pat_secret', tokenId: 'tok_1' };

describe('the configuration file', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
    path = configPath({ XDG_CONFIG_HOME: directory });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('lies in $XDG_CONFIG_HOME, or in ~/.config; a relative $XDG_CONFIG_HOME is ignored', () => {
    expect(path).toBe(join(directory, 'sluice', 'config.yaml'));
    expect(configPath({ HOME: '/home/anna' })).toBe('/home/anna/.config/sluice/config.yaml');
    expect(configPath({ HOME: '/home/anna', XDG_CONFIG_HOME: 'here' })).toBe(
      '/home/anna/.config/sluice/config.yaml',
    );
  });

  it('is readable by its owner only, whatever it was before', () => {
    saveConfig(path, withLogin(loadConfig(path), LOGIN));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    chmodSync(path, 0o644);
    expect(foreignPermissions(path)).toBe(0o044);
    saveConfig(path, loadConfig(path));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(path))).toEqual(['config.yaml']);
  });

  it('gives back what was stored', () => {
    saveConfig(path, withLogin(loadConfig(path), LOGIN));
    expect(loadConfig(path)).toEqual({ current: LOGIN.url, servers: [LOGIN] });
  });

  it('keeps one login a server; the last one is current, and the next one after a logout', () => {
    const other = { url: 'http://127.0.0.1:8080', user: 'admin', secret: 's' };
    const both = withLogin(withLogin(withLogin(loadConfig(path), LOGIN), other), { ...LOGIN, user: 'bob' });
    expect(both.servers).toHaveLength(2);
    expect(both.current).toBe(LOGIN.url);
    const left = withoutLogin(both, LOGIN.url);
    expect(left).toEqual({ current: other.url, servers: [other] });
    expect(withoutLogin(left, other.url)).toEqual({ current: null, servers: [] });
  });

  it('is refused without its content in the message when it is broken', () => {
    mkdirSync(dirname(path), { recursive: true });
    for (const text of ['servers: [{secret: slc_pat_x}]', 'secret: [slc_pat_x', '- slc_pat_x']) {
      writeFileSync(path, text);
      expect(() => loadConfig(path)).toThrow(CliError);
      expect(() => loadConfig(path)).toThrow(/^(?!.*slc_pat)/);
    }
    writeFileSync(path, '');
    expect(loadConfig(path)).toEqual({ current: null, servers: [] });
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});
