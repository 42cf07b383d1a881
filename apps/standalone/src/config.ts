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

/** Variables of the `sluice` command, which may be set in the shell that starts the platform. */
const COMMAND_LINE_VARIABLES = [
  'SLUICE_URL',
  'SLUICE_USER',
  'SLUICE_PASSWORD',
  'SLUICE_PASSWORD_FILE',
  'SLUICE_TOKEN',
  'SLUICE_TOKEN_FILE',
  'SLUICE_DEBUG',
  'SLUICE_TOOLS_DIR',
];

/** Settings of the whole platform in one process, with everything derived that follows from them. */
export type StandaloneConfig = ConfigOf<typeof standaloneSettings>;

/** @throws ConfigError that lists every fault */
export function loadStandaloneConfig(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): StandaloneConfig {
  const file = join(directory, 'sluice.yaml');
  const yaml = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  return loadConfig(standaloneSettings, { environment, yaml, otherPrograms: COMMAND_LINE_VARIABLES });
}
