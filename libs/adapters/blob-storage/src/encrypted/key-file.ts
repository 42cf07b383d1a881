import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { BlobStorageError } from '../errors.ts';
import {
  KeyEncryptionKeys,
  type KeyState,
  SHARED_KEY_DOMAIN,
  type WrappedKey,
} from '../key-encryption-keys.ts';
import { type FileKey, type KeyFileContent, KeyFileError, parseKeyFile } from './key-file-content.ts';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OTHERS = 0o077;

/**
 * Key encryption keys of a file that only its owner can read (docs/operations.md, "Encrypt what is stored"). The file is
 * read once; a process takes changes over when it starts again.
 */
export class FileKeys extends KeyEncryptionKeys {
  readonly #keys: ReadonlyMap<string, FileKey & { readonly secretKey: KeyObject | null }>;

  private constructor(content: KeyFileContent) {
    super();
    this.#keys = new Map(
      content.keys.map((key) => [
        key.id,
        { ...key, secretKey: key.secret === null ? null : createSecretKey(key.secret) },
      ]),
    );
  }

  /** @throws KeyFileError that names the fault */
  static async open(path: string): Promise<FileKeys> {
    return new FileKeys(await readKeyFile(path));
  }

  static of(content: KeyFileContent): FileKeys {
    return new FileKeys(content);
  }

  activeKeyId(domain: string): string | null {
    return this.#active(domain)?.id ?? null;
  }

  state(keyId: string): KeyState {
    return this.#keys.get(keyId)?.state ?? 'missing';
  }

  list(): readonly { readonly domain: string; readonly keyId: string; readonly state: KeyState }[] {
    return [...this.#keys.values()].map(({ domain, id, state }) => ({ domain, keyId: id, state }));
  }

  async wrap(domain: string, dataKey: Uint8Array, context: string): Promise<WrappedKey> {
    const active = this.#active(domain);
    if (active === undefined || active.secretKey === null) {
      throw unavailable(`there is no active key for ${domainName(domain)}`);
    }
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, active.secretKey, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated(domain, active.id, context));
    const wrapped = Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
    return { domain, keyId: active.id, wrapped };
  }

  async unwrap({ domain, keyId, wrapped }: WrappedKey, context: string): Promise<Uint8Array> {
    const key = this.#keys.get(keyId);
    if (key === undefined) throw unavailable(`the key "${keyId}" is not in the key file`);
    if (key.secretKey === null)
      throw unavailable(`the key "${keyId}" was destroyed, and its content with it`);
    try {
      const tagAt = wrapped.length - TAG_BYTES;
      const decipher = createDecipheriv(ALGORITHM, key.secretKey, wrapped.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(associated(domain, keyId, context));
      decipher.setAuthTag(wrapped.subarray(tagAt));
      return Buffer.concat([decipher.update(wrapped.subarray(NONCE_BYTES, tagAt)), decipher.final()]);
    } catch (cause) {
      throw new BlobStorageError(
        'OBJECT_TAMPERED',
        `the wrapped key of the object is not what was stored, or "${keyId}" in the key file is another key`,
        { cause },
      );
    }
  }

  #active(domain: string) {
    return [...this.#keys.values()].find((key) => key.domain === domain && key.state === 'active');
  }
}

/**
 * Reads a key file that nobody but its owner can read.
 *
 * @throws KeyFileError that names the fault
 */
export async function readKeyFile(path: string): Promise<KeyFileContent> {
  let bytes: Buffer;
  try {
    await using file = await open(path, constants.O_RDONLY);
    const status = await file.stat();
    if (!status.isFile()) throw new KeyFileError(`the key file ${path} is not a file`);
    if ((status.mode & OTHERS) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
      throw new KeyFileError(
        `the key file ${path} can be used by others (mode ${mode}): allow its owner only, chmod 0600 or 0400`,
      );
    }
    bytes = await file.readFile();
  } catch (cause) {
    if (cause instanceof KeyFileError) throw cause;
    throw new KeyFileError(`cannot read the key file ${path}: ${(cause as Error).message}`, { cause });
  }
  try {
    return parseKeyFile(bytes);
  } catch (cause) {
    if (!(cause instanceof KeyFileError)) throw cause;
    throw new KeyFileError(`the key file ${path} is not usable: ${cause.message}`, { cause });
  } finally {
    bytes.fill(0);
  }
}

/** For people: `the domain "acme"`. */
export function domainName(domain: string): string {
  return domain === SHARED_KEY_DOMAIN ? 'the shared domain' : `the domain "${domain}"`;
}

function associated(domain: string, keyId: string, context: string): Buffer {
  return Buffer.from(`sluice data key\0${domain}\0${keyId}\0${context}`);
}

function unavailable(message: string): BlobStorageError {
  return new BlobStorageError('KEY_UNAVAILABLE', message);
}
