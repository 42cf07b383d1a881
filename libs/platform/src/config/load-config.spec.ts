import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.ts';
import { gateSettings, identitySettings, serverSettings, stateSettings } from './settings.ts';

const settings = { ...serverSettings, ...stateSettings, ...identitySettings, ...gateSettings };

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
});
