import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { SHARED_KEY_DOMAIN } from '../key-encryption-keys.ts';
import {
  checkKeyName,
  checkKeys,
  type FileKey,
  formatKeyFile,
  KEY_SECRET_BYTES,
  type KeyFileContent,
  KeyFileError,
} from './key-file-content.ts';

/**
 * Adds a new random key. The first key of its domain is active at once; others are there for reading until they are
 * activated, so that every process knows a key before the first one writes with it.
 *
 * @throws KeyFileError when the id is taken or a name is malformed
 */
export function addKey(content: KeyFileContent, id: string, domain = SHARED_KEY_DOMAIN): KeyFileContent {
  checkKeyName('id', id);
  if (domain !== SHARED_KEY_DOMAIN) checkKeyName('domain', domain);
  const isFirst = !content.keys.some((key) => key.domain === domain && key.state === 'active');
  const key: FileKey = {
    id,
    domain,
    state: isFirst ? 'active' : 'reading',
    secret: randomBytes(KEY_SECRET_BYTES),
  };
  return checked([...content.keys, key]);
}

/** Makes a key the active one of its domain. @throws KeyFileError when there is no such key, or it was destroyed */
export function activateKey(content: KeyFileContent, id: string): KeyFileContent {
  const chosen = find(content, id);
  if (chosen.state === 'destroyed') throw new KeyFileError(`the key "${id}" was destroyed`);
  return checked(
    content.keys.map((key) => {
      if (key.id === id) return { ...key, state: 'active' };
      return key.domain === chosen.domain && key.state === 'active' ? { ...key, state: 'reading' } : key;
    }),
  );
}

/**
 * Forgets the secret of a key for ever and keeps its name, so that it is known to be gone and not lost. An active key
 * can only be destroyed as the last one of a domain of its own.
 *
 * @throws KeyFileError when there is no such key, or another one must be activated first
 */
export function destroyKey(content: KeyFileContent, id: string): KeyFileContent {
  const chosen = find(content, id);
  return checked(
    content.keys.map((key) => (key.id === chosen.id ? { ...key, state: 'destroyed', secret: null } : key)),
  );
}

/** Writes the file so that it is there whole or not at all, for its owner only. */
export async function writeKeyFile(path: string, content: KeyFileContent): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(formatKeyFile(content));
    await file.sync();
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new KeyFileError(`cannot write the key file ${path}: ${(cause as Error).message}`, { cause });
  }
}

function find(content: KeyFileContent, id: string): FileKey {
  const key = content.keys.find((candidate) => candidate.id === id);
  if (key !== undefined) return key;
  throw new KeyFileError(`there is no key "${id}"; there are ${content.keys.map((k) => k.id).join(', ')}`);
}

function checked(keys: readonly FileKey[]): KeyFileContent {
  checkKeys(keys);
  return { keys };
}
