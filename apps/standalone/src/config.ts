import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConfigOf,
  gateSettings,
  identitySettings,
  loadConfig,
  serverSettings,
  stateSettings,
} from '@sluice/platform';

export const standaloneSettings = {
  ...serverSettings,
  ...stateSettings,
  ...identitySettings,
  ...gateSettings,
};

/** Settings of the whole platform in one process, with everything derived that follows from them. */
export type StandaloneConfig = ConfigOf<typeof standaloneSettings>;

/** @throws ConfigError that lists every fault */
export function loadStandaloneConfig(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): StandaloneConfig {
  const file = join(directory, 'sluice.yaml');
  const yaml = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  return loadConfig(standaloneSettings, { environment, yaml });
}
