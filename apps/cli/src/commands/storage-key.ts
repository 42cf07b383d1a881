import { existsSync } from 'node:fs';
import {
  activateKey,
  addKey,
  destroyKey,
  type KeyFileContent,
  KeyFileError,
  readKeyFile,
  writeKeyFile,
} from '@sluice/blob-storage/encrypted';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';

export function addStorageKey(
  context: CommandContext,
  id: string,
  options: { readonly file: string; readonly domain?: string },
): Promise<void> {
  return change(context, options.file, true, (content) => addKey(content, id, options.domain));
}

export function activateStorageKey(
  context: CommandContext,
  id: string,
  options: { readonly file: string },
): Promise<void> {
  return change(context, options.file, false, (content) => activateKey(content, id));
}

export function destroyStorageKey(
  context: CommandContext,
  id: string,
  options: { readonly file: string },
): Promise<void> {
  return change(context, options.file, false, (content) => destroyKey(content, id));
}

async function change(
  context: CommandContext,
  path: string,
  mayBeNew: boolean,
  work: (content: KeyFileContent) => KeyFileContent,
): Promise<void> {
  let changed: KeyFileContent;
  try {
    const content = mayBeNew && !existsSync(path) ? { keys: [] } : await readKeyFile(path);
    changed = work(content);
    await writeKeyFile(path, changed);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new CliError(EXIT.usage, error.message, { cause: error });
  }
  const keys = changed.keys.map(({ id, domain, state }) => ({
    id,
    domain: domain === '' ? null : domain,
    state,
  }));
  await context.output.list(
    keys,
    [
      { title: 'key', value: (key) => key.id },
      { title: 'domain', value: (key) => key.domain ?? '(shared)' },
      { title: 'state', value: (key) => key.state },
    ],
    'there are no keys',
  );
  context.output.note('every process takes the file over when it starts again');
}
