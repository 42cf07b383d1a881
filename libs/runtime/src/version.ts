import { readFileSync } from 'node:fs';

/** Version of this installation, from the package that is running. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
