import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { TokenKeys } from './registry-tokens.ts';

interface KeyEntry {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/**
 * Token keys in one file: a JWK set of EC P-256 private keys, or those keys in PEM one after the other. The first key
 * signs, all verify, so a key is replaced by putting the new one in front and dropping the old one after five minutes.
 */
export class KeyFile extends TokenKeys {
  readonly #keys: readonly KeyEntry[];

  private constructor(keys: readonly KeyEntry[]) {
    super();
    this.#keys = keys;
  }

  /**
   * Reads the file, or makes it with a new key when there is none. Two processes that start at once get the same key.
   *
   * @throws Error when the file holds anything but EC P-256 private keys
   */
  static async open(path: string): Promise<KeyFile> {
    const text = (await read(path)) ?? (await create(path));
    return new KeyFile(await parseKeys(path, text));
  }

  async signing(): Promise<{ kid: string; privateKey: KeyObject }> {
    const [first] = this.#keys;
    if (first === undefined) throw new Error('the key file holds no key');
    return first;
  }

  async verifying(kid: string): Promise<KeyObject | null> {
    return this.#keys.find((key) => key.kid === kid)?.publicKey ?? null;
  }
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function create(path: string): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const text = `${JSON.stringify({ keys: [await exportJWK(privateKey)] })}\n`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Unlike rename, link never replaces: of two processes that start at once, the second takes the first one's key.
    await link(temporary, path);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return await readFile(path, 'utf8');
  } finally {
    await rm(temporary, { force: true });
  }
}

async function parseKeys(path: string, text: string): Promise<KeyEntry[]> {
  let jwks: readonly JWK[];
  try {
    jwks = text.includes('-----BEGIN') ? pemKeys(text) : (JSON.parse(text) as { keys: readonly JWK[] }).keys;
    if (!Array.isArray(jwks) || jwks.length === 0) throw new TypeError('no keys');
  } catch (cause) {
    throw new Error(`${path} holds neither a JWK set nor PEM keys: move it away to have a new one made`, {
      cause,
    });
  }
  return Promise.all(
    jwks.map(async (jwk) => {
      if (jwk.kty !== 'EC' || jwk.crv !== 'P-256' || jwk.d === undefined) {
        throw new Error(`${path} must hold EC P-256 private keys only`);
      }
      const privateKey = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
      return { kid: await calculateJwkThumbprint(jwk), privateKey, publicKey: createPublicKey(privateKey) };
    }),
  );
}

/** What `openssl genpkey` writes, one after the other. */
function pemKeys(text: string): JWK[] {
  const blocks = text.match(/-----BEGIN ((?:EC )?PRIVATE KEY)-----[^-]*-----END \1-----/g) ?? [];
  return blocks.map((block) => createPrivateKey(block).export({ format: 'jwk' }) as JWK);
}
