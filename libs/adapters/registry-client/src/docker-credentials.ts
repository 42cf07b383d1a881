import { readFile } from 'node:fs/promises';
import { RegistryClientError } from './errors.ts';
import type { Credentials } from './authenticator.ts';

/**
 * The credentials of a registry in a Docker or Podman configuration file (`auths` only).
 *
 * @returns null when the file does not exist or has no entry for the registry
 * @throws RegistryClientError CREDENTIALS_INVALID when the file is broken, or leaves the secret to a credential helper
 */
export async function readDockerCredentials(path: string, registry: string): Promise<Credentials | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new RegistryClientError('CREDENTIALS_INVALID', `cannot read ${path}`, { cause: error });
  }
  return parseDockerCredentials(text, registry, path);
}

/** As {@link readDockerCredentials}, on the text of the file; `path` is for messages. */
export function parseDockerCredentials(text: string, registry: string, path: string): Credentials | null {
  const invalid = (reason: string): RegistryClientError =>
    new RegistryClientError('CREDENTIALS_INVALID', `${path}: ${reason}`);
  const config = parseObject(text);
  if (config === null) throw invalid('not a JSON object');
  const entries = Object.entries(asObject(config['auths']) ?? {});
  const entry = asObject(entries.find(([key]) => toHost(key) === registry)?.[1]);
  const credentials = entry === null ? null : readEntry(entry);
  if (credentials !== null) return credentials;
  const helper = asObject(config['credHelpers'])?.[registry] ?? config['credsStore'];
  if (typeof helper === 'string' && helper !== '' && entry !== null) {
    throw invalid(
      `the password of ${registry} lies with the credential helper "${helper}", which is not asked here: ` +
        'give user name and password instead',
    );
  }
  if (entry !== null && Object.keys(entry).length > 0)
    throw invalid(`the entry of ${registry} has no usable "auth"`);
  return null;
}

function readEntry(entry: Record<string, unknown>): Credentials | null {
  const { auth, username, password } = entry;
  if (typeof auth === 'string' && auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    // Docker pads the decoded form with NUL bytes in old files.
    return colon < 1
      ? null
      : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
  }
  return typeof username === 'string' && typeof password === 'string' && username !== ''
    ? { username, password }
    : null;
}

/** Keys are hosts, or the URLs that old clients wrote. */
function toHost(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
