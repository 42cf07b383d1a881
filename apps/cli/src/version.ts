import { readFileSync } from 'node:fs';

/** Version of the command, from its package.json (the same place seen from `src` and from `dist`). */
export function cliVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
