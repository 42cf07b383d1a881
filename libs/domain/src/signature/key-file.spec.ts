import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KeyError } from './errors.ts';
import { openKeyFile, sealKeyFile } from './key-file.ts';
import { parsePublicKey } from './public-key.ts';
import { verifyBytes } from './signature-bytes.ts';

const PASSWORD = 'test-password';
const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
const randomness = { salt: Buffer.alloc(32, 1), nonce: Buffer.alloc(24, 2) };

async function codeOf(text: string, password = PASSWORD): Promise<string> {
  const error = await openKeyFile(text, password).then(
    () => null,
    (reason: KeyError) => reason,
  );
  return error?.code ?? 'accepted';
}

/** The JSON of a key file, changed, in its PEM block again. */
function alter(text: string, change: (document: Record<string, Record<string, unknown>>) => void): string {
  const [first = '', ...lines] = text.trim().split('\n');
  const last = lines.pop();
  const document = JSON.parse(Buffer.from(lines.join(''), 'base64').toString()) as Record<
    string,
    Record<string, unknown>
  >;
  change(document);
  return `${first}\n${Buffer.from(JSON.stringify(document)).toString('base64')}\n${last}\n`;
}

describe('openKeyFile', () => {
  it.each(['p256', 'p384', 'p521', 'rsa2048', 'ed25519'])(
    'opens %s.key of cosign and signs what its public key verifies',
    async (name) => {
      const key = await openKeyFile(read(`${name}.key`), PASSWORD);
      const trusted = parsePublicKey(read(`${name}.pub`));
      expect(key.publicKey.keyId).toBe(trusted.keyId);
      const message = Buffer.from('message');
      expect(verifyBytes(trusted, message, key.sign(message))).toBe(true);
      expect(verifyBytes(trusted, Buffer.from('other'), key.sign(message))).toBe(false);
    },
  );

  it('signs with SHA-256 whatever the curve, because that is what verifiers take without an option', async () => {
    const key = await openKeyFile(read('p384.key'), PASSWORD);
    const signature = key.sign(Buffer.from('message'));
    expect(verify('sha256', Buffer.from('message'), key.publicKey.key, signature)).toBe(true);
  });

  it('opens the older label ENCRYPTED COSIGN PRIVATE KEY', async () => {
    const old = read('p256.key').replaceAll('SIGSTORE', 'COSIGN');
    expect((await openKeyFile(old, PASSWORD)).publicKey.keyId).toBe(parsePublicKey(read('p256.pub')).keyId);
  });

  it('refuses a wrong password as KEY_FILE_PASSWORD, and likewise a damaged ciphertext', async () => {
    expect(await codeOf(read('p256.key'), 'wrong')).toBe('KEY_FILE_PASSWORD');
    const damaged = alter(read('p256.key'), (document) => {
      const bytes = Buffer.from(document['ciphertext'] as unknown as string, 'base64');
      bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
      Object.assign(document, { ciphertext: bytes.toString('base64') });
    });
    expect(await codeOf(damaged)).toBe('KEY_FILE_PASSWORD');
  });

  it.each([
    ['a cost that would take gigabytes', { N: 2 ** 24, r: 8, p: 1 }],
    ['a cost that would take minutes', { N: 65_536, r: 8, p: 1000 }],
    ['no cost', {}],
  ])('refuses %s as KEY_FILE_UNSUPPORTED before doing any work', async (_name, params) => {
    expect(await codeOf(alter(read('p256.key'), ({ kdf }) => Object.assign(kdf ?? {}, { params })))).toBe(
      'KEY_FILE_UNSUPPORTED',
    );
  });

  it('refuses other ciphers and functions as KEY_FILE_UNSUPPORTED', async () => {
    const cipher = alter(read('p256.key'), (document) =>
      Object.assign(document['cipher'] ?? {}, { name: 'aes' }),
    );
    const kdf = alter(read('p256.key'), (document) =>
      Object.assign(document['kdf'] ?? {}, { name: 'argon2' }),
    );
    expect([await codeOf(cipher), await codeOf(kdf)]).toEqual([
      'KEY_FILE_UNSUPPORTED',
      'KEY_FILE_UNSUPPORTED',
    ]);
  });

  it('says of an unencrypted key how to convert it', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(openKeyFile(pem, '')).rejects.toMatchObject({
      code: 'KEY_FILE_UNSUPPORTED',
      message: expect.stringContaining('cosign import-key-pair') as string,
    });
  });

  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['two blocks', `${read('p256.key')}${read('p256.key')}`],
    ['a block without JSON', read('p256.key').replace(/\n[^-]+/, '\nAAAA\n')],
    [
      'JSON null',
      '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nbnVsbA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----',
    ],
    [
      'a short nonce',
      alter(read('p256.key'), ({ cipher }) => Object.assign(cipher ?? {}, { nonce: 'AAAA' })),
    ],
  ])('refuses %s as KEY_FILE_INVALID', async (_name, text) => {
    expect(await codeOf(text)).toBe('KEY_FILE_INVALID');
  });

  it('refuses a file that opens but holds no private key', async () => {
    const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js');
    const { scryptSync } = await import('node:crypto');
    const secret = scryptSync(PASSWORD, randomness.salt, 32, { N: 32_768, r: 8, p: 1, maxmem: 2 ** 27 });
    const ciphertext = xsalsa20poly1305(secret, randomness.nonce).encrypt(Buffer.from('no key'));
    const text = alter(read('p256.key'), (document) => {
      const { salt, nonce } = randomness;
      Object.assign(document['kdf'] ?? {}, {
        params: { N: 32_768, r: 8, p: 1 },
        salt: salt.toString('base64'),
      });
      Object.assign(document['cipher'] ?? {}, { nonce: nonce.toString('base64') });
      Object.assign(document, { ciphertext: Buffer.from(ciphertext).toString('base64') });
    });
    expect(await codeOf(text)).toBe('KEY_FILE_INVALID');
  });
});

describe('sealKeyFile', () => {
  it('writes what openKeyFile reads, in the block and with the parameters that cosign writes', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const text = await sealKeyFile(privateKey, PASSWORD, {
      salt: randomBytes(32),
      nonce: randomBytes(24),
    });
    const shape = (file: string): unknown => {
      let found: unknown;
      alter(file, ({ kdf }) => (found = kdf?.['params']));
      return [file.split('\n')[0], found, file.split('\n')[1]?.length];
    };
    expect(shape(text)).toEqual(shape(read('p256.key')));
    const opened = await openKeyFile(text, PASSWORD);
    expect(opened.publicKey.pem).toBe(publicKey.export({ type: 'spki', format: 'pem' }));
  });

  it('refuses keys that no verifier of ours takes', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    await expect(sealKeyFile(privateKey, PASSWORD, randomness)).rejects.toMatchObject({
      code: 'KEY_UNSUPPORTED',
    });
  });
});
