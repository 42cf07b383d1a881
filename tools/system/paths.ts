import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the clone. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Programs built for tests, kept between runs. */
export const TOOLS = process.env['SLUICE_TOOLS_DIR'] ?? join(homedir(), '.cache', 'sluice-tools');
export const BIN = join(TOOLS, 'bin');

/** Real advisory corpora and fixture images, where the developers of Sluice have them; no clone does. */
export const SHARED = join(ROOT, '..', 'shared');
export const hasShared = (): boolean => existsSync(join(SHARED, 'data', 'README.md'));

export function toolsDirectory(): string {
  mkdirSync(BIN, { recursive: true });
  return BIN;
}
