import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigOf, EVERY_SETTING, loadConfig, type Settings } from '@sluice/platform';

/** Variables of the `sluice` command and of tests, which may be set in the shell that starts a process. */
const OTHER_VARIABLES = [
  'SLUICE_URL',
  'SLUICE_USER',
  'SLUICE_PASSWORD',
  'SLUICE_PASSWORD_FILE',
  'SLUICE_TOKEN',
  'SLUICE_TOKEN_FILE',
  'SLUICE_DEBUG',
  'SLUICE_TOOLS_DIR',
];

/**
 * Loads the settings of one process from the environment and the `sluice.yaml` of the directory.
 *
 * @throws ConfigError that lists every fault
 */
export function loadProcessConfig<S extends Settings>(
  settings: S,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  directory: string = process.cwd(),
): ConfigOf<S> {
  const file = join(directory, 'sluice.yaml');
  const yaml = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  return loadConfig(settings, {
    environment,
    yaml,
    otherPrograms: OTHER_VARIABLES,
    elsewhere: EVERY_SETTING,
  });
}
