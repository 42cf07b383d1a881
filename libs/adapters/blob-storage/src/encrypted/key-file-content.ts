import { parseStrictJson } from '@sluice/domain/oci';
import { SHARED_KEY_DOMAIN } from '../key-encryption-keys.ts';

export const KEY_SECRET_BYTES = 32;
/** Ids and domains end up in tables, file names and command lines. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
const NAME_RULE = '1 to 63 of a-z, 0-9, ".", "_" and "-", beginning and ending with a letter or digit';
const STATES = ['active', 'reading', 'destroyed'] as const;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;

type JsonObject = Readonly<Record<string, unknown>>;
export type FileKeyState = (typeof STATES)[number];

export interface FileKey {
  readonly id: string;
  /** '' is the domain of everybody. */
  readonly domain: string;
  readonly state: FileKeyState;
  /** 32 bytes; null when the key was destroyed. */
  readonly secret: Buffer | null;
}

export interface KeyFileContent {
  readonly keys: readonly FileKey[];
}

/** The key file, or an order to change it, is wrong. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

/** @throws KeyFileError */
export function checkKeyName(kind: string, name: string): void {
  if (!NAME.test(name)) throw new KeyFileError(`the ${kind} "${name}" is malformed: ${NAME_RULE}`);
}

/**
 * Reads the content of a key file:
 *
 *     {"version": 1, "keys": [
 *       {"id": "2026-11", "state": "active", "secret": "<32 bytes in base64>"},
 *       {"id": "acme-1", "domain": "acme", "state": "active", "secret": "<32 bytes in base64>"},
 *       {"id": "2025-11", "state": "destroyed"}]}
 *
 * @throws KeyFileError that names the first fault
 */
export function parseKeyFile(bytes: Uint8Array): KeyFileContent {
  const document = parseDocument(bytes);
  refuseUnknown('the file', document, ['version', 'keys']);
  if (document['version'] !== 1) throw new KeyFileError('"version" must be 1');
  const { keys: entries } = document;
  if (!Array.isArray(entries) || entries.length === 0)
    throw new KeyFileError('"keys" must list at least one key');
  const keys = entries.map((entry: unknown, index) => parseKey(entry, `key ${index + 1}`));
  checkKeys(keys);
  return { keys };
}

/** @throws KeyFileError when ids, secrets or active keys come twice, or there is no active shared key */
export function checkKeys(keys: readonly FileKey[]): void {
  const seen = new Map<string, string>();
  const once = (what: string, owner: string, message: (other: string) => string): void => {
    const other = seen.get(what);
    if (other !== undefined) throw new KeyFileError(message(other));
    seen.set(what, owner);
  };
  for (const { id, domain, state, secret } of keys) {
    once(`id ${id}`, id, () => `the id "${id}" comes twice`);
    if (secret !== null) {
      once(`secret ${secret.toString('hex')}`, id, (other) => `"${other}" and "${id}" have the same secret`);
    }
    if (state === 'active') {
      once(
        `active ${domain}`,
        id,
        (other) => `"${other}" and "${id}" are both active in one domain: keep one`,
      );
    }
  }
  for (const domain of new Set([SHARED_KEY_DOMAIN, ...keys.map((key) => key.domain)])) {
    const ofDomain = keys.filter((key) => key.domain === domain);
    const isGone = ofDomain.length > 0 && ofDomain.every(({ state }) => state === 'destroyed');
    const isShared = domain === SHARED_KEY_DOMAIN;
    if (!seen.has(`active ${domain}`) && (isShared || !isGone)) {
      throw new KeyFileError(
        isShared
          ? 'no key without "domain" is active: one must be'
          : `no key of the domain "${domain}" is active: one must be, or all be destroyed`,
      );
    }
  }
}

/** The text of a file that {@link parseKeyFile} reads. */
export function formatKeyFile({ keys }: KeyFileContent): string {
  const entries = keys.map(({ id, domain, state, secret }) => ({
    id,
    ...(domain === SHARED_KEY_DOMAIN ? {} : { domain }),
    state,
    ...(secret === null ? {} : { secret: secret.toString('base64') }),
  }));
  return `${JSON.stringify({ version: 1, keys: entries }, null, 2)}\n`;
}

function parseDocument(bytes: Uint8Array): JsonObject {
  let document: unknown;
  try {
    document = parseStrictJson(bytes);
  } catch (cause) {
    // The message of the parser may quote the file, and that holds secrets.
    throw new KeyFileError('it is not JSON in UTF-8 without duplicate keys', { cause });
  }
  if (!isJsonObject(document)) throw new KeyFileError('it must be {"version": 1, "keys": […]}');
  return document;
}

function parseKey(entry: unknown, place: string): FileKey {
  if (!isJsonObject(entry)) throw new KeyFileError(`${place} must be an object`);
  refuseUnknown(place, entry, ['id', 'domain', 'state', 'secret']);
  const { id, domain = SHARED_KEY_DOMAIN, state, secret } = entry;
  if (typeof id !== 'string') throw new KeyFileError(`${place} has no text "id"`);
  checkKeyName('id', id);
  if (typeof domain !== 'string') throw new KeyFileError(`the "domain" of "${id}" must be a text`);
  if (entry['domain'] !== undefined) checkKeyName('domain', domain);
  const known = STATES.find((candidate) => candidate === state);
  if (known === undefined)
    throw new KeyFileError(`the "state" of "${id}" must be one of ${STATES.join(', ')}`);
  if (known === 'destroyed') {
    if (secret !== undefined) throw new KeyFileError(`"${id}" is destroyed: remove its "secret"`);
    return { id, domain, state: known, secret: null };
  }
  if (typeof secret !== 'string' || !BASE64.test(secret)) {
    throw new KeyFileError(
      `the "secret" of "${id}" must be ${KEY_SECRET_BYTES} bytes in base64 (44 characters)`,
    );
  }
  return { id, domain, state: known, secret: Buffer.from(secret, 'base64') };
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseUnknown(place: string, object: JsonObject, known: readonly string[]): void {
  const unknown = Object.keys(object).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new KeyFileError(`${place} has an unknown key "${unknown}"; known are ${known.join(', ')}`);
}
