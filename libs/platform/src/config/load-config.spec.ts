import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.ts';
import { required } from './setting.ts';
import {
  adminSettings,
  clientSettings,
  databaseSettings,
  gateSettings,
  identitySettings,
  listenSettings,
  processSettings,
  scannerSettings,
  stateSettings,
} from './settings.ts';

const settings = {
  ...listenSettings,
  ...clientSettings,
  ...processSettings,
  ...stateSettings,
  ...identitySettings,
  ...adminSettings,
  ...gateSettings,
  ...scannerSettings,
};

function faultsOf(environment: Record<string, string>, yaml?: string): string[] {
  try {
    loadConfig(settings, { environment, yaml });
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map((fault) => `${fault.where}: ${fault.message}`);
    throw error;
  }
  return [];
}

describe('loading the configuration', () => {
  it('has a default for everything', () => {
    const config = loadConfig(settings, { environment: {} });
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, logLevel: 'info', gitlabUrl: [] });
  });

  it('takes the environment before sluice.yaml', () => {
    const config = loadConfig(settings, {
      environment: { SLUICE_PORT: '9000' },
      yaml: 'port: 9001\nlogLevel: debug\n',
    });
    expect(config).toMatchObject({ port: 9000, logLevel: 'debug' });
  });

  it('lists every fault at once, with the value given, what is allowed, and the nearest known key', () => {
    expect(faultsOf({ SLUICE_PORT: '70000', SLUICE_PUBLIC_URI: 'x', SLUICE_LOG_LEVEL: 'loud' })).toEqual([
      'SLUICE_PUBLIC_URI: unknown setting; did you mean SLUICE_PUBLIC_URL?',
      'SLUICE_PORT: expected a port number from 0 to 65535 (given: "70000")',
      'SLUICE_LOG_LEVEL: expected one of debug, info, warn, error (given: "loud")',
    ]);
  });

  it('leaves the variables of other programs alone', () => {
    const environment = { SLUICE_TOKEN: 'slc_pat_x' };
    expect(() => loadConfig(settings, { environment })).toThrow(ConfigError);
    expect(() => loadConfig(settings, { environment, otherPrograms: ['SLUICE_TOKEN'] })).not.toThrow();
  });

  it('refuses unknown keys and broken YAML of sluice.yaml', () => {
    expect(faultsOf({}, 'prot: 1')).toEqual(['sluice.yaml: prot: unknown setting; did you mean port?']);
    expect(faultsOf({}, 'port: [')[0]).toMatch(/^sluice\.yaml: /);
    expect(faultsOf({}, '- port')).toEqual(['sluice.yaml: expected a mapping of settings at the top level']);
  });

  it('never shows a secret, and reads it from a _FILE', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-config-'));
    try {
      writeFileSync(join(directory, 'password'), 'correct horse\n');
      const config = loadConfig(settings, {
        environment: { SLUICE_ADMIN_PASSWORD_FILE: join(directory, 'password') },
      });
      expect(config.adminPassword).toBe('correct horse');
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(faultsOf({ SLUICE_ADMIN_PASSWORD: 'short' })).toEqual([
      'SLUICE_ADMIN_PASSWORD: expected at least 8 characters',
    ]);
    expect(faultsOf({ SLUICE_ADMIN_PASSWORD: 'long enough', SLUICE_ADMIN_PASSWORD_FILE: '/x' })).toHaveLength(
      1,
    );
  });

  it('asks for a required setting by name, and keeps its other rules', () => {
    const shared = { databaseUrl: required(databaseSettings.databaseUrl, 'expected the shared database') };
    expect(() => loadConfig(shared, { environment: {} })).toThrow(
      /SLUICE_DATABASE_URL: expected the shared database/,
    );
    expect(() => loadConfig(shared, { environment: { SLUICE_DATABASE_URL: 'mysql://x' } })).toThrow(
      /expected postgres:/,
    );
    const given = loadConfig(shared, { environment: { SLUICE_DATABASE_URL: 'postgres://db/sluice' } });
    expect(given.databaseUrl).toBe('postgres://db/sluice');
  });

  it('takes yes and no as a word of the environment and as a boolean of sluice.yaml', () => {
    const load = (environment: Record<string, string>, yaml?: string): boolean =>
      loadConfig(listenSettings, { environment, yaml }).reusePort;
    expect([load({}), load({ SLUICE_REUSE_PORT: 'true' }), load({}, 'reusePort: true')]).toEqual([
      false,
      true,
      true,
    ]);
    expect(load({ SLUICE_REUSE_PORT: 'false' })).toBe(false);
    expect(() => load({ SLUICE_REUSE_PORT: '1' })).toThrow(/SLUICE_REUSE_PORT: expected true or false/);
  });

  it('lets one file and one environment serve several processes, and still refuses what none of them knows', () => {
    const load = (environment: Record<string, string>, yaml: string): unknown =>
      loadConfig(scannerSettings, { environment, yaml, elsewhere: settings });
    expect(load({ SLUICE_ADMIN_PASSWORD: 'admin-password' }, 'gateHoldSeconds: 3')).toEqual({
      scannerConcurrency: 2,
    });
    expect(() => load({ SLUICE_ADMIN_PASWORD: 'x' }, 'gateHold: 3')).toThrow(
      /SLUICE_ADMIN_PASWORD: unknown setting; did you mean SLUICE_ADMIN_PASSWORD\?/,
    );
    expect(() => load({}, 'gateHoldSecond: 3')).toThrow(/unknown setting; did you mean gateHoldSeconds\?/);
  });
});
