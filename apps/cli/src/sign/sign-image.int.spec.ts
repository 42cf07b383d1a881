import type { Digest } from '@sluice/domain/oci';
import {
  type SigningKey,
  type TrustedPublicKey,
  checkBundleSignature,
  checkLegacySignature,
  findBundleLayer,
  formatSignatureTag,
  openKeyFile,
  parseLegacyManifest,
  parsePublicKey,
} from '@sluice/domain/signature';
import { RegistryClient, parseReference } from '@sluice/registry-client';
import { type FakeRegistry, startFakeRegistry } from '@sluice/registry-client/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type KeyPairFiles,
  type SignImageOptions,
  type SignedImage,
  generateKeyPair,
  signImage,
  signWithKey,
} from './index.ts';

const PASSWORD = 'secret';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const NOW = new Date('2026-01-02T03:04:05.678Z');
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('signImage', () => {
  let pair: KeyPairFiles;
  let key: SigningKey;
  let stranger: SigningKey;
  let trustedKeys: TrustedPublicKey[];
  let fake: FakeRegistry;
  let client: RegistryClient;
  let digest: Digest;
  beforeAll(async () => {
    pair = await generateKeyPair(PASSWORD);
    key = await openKeyFile(pair.privateKey, PASSWORD);
    stranger = await openKeyFile((await generateKeyPair('')).privateKey, '');
    trustedKeys = [{ id: 'key', key: parsePublicKey(pair.publicKey) }];
  });
  beforeEach(async () => {
    fake = await startFakeRegistry({ authentication: 'bearer', users: { ada: 'x' } });
    client = new RegistryClient({ registry: fake.host, credentials: { username: 'ada', password: 'x' } });
    digest = await pushImage('v1', 'one');
    fake.requests.length = 0;
  });
  afterEach(async () => fake.close());

  async function pushImage(tag: string, content: string): Promise<Digest> {
    const bytes = json({ schemaVersion: 2, mediaType: MANIFEST, layers: [], annotations: { content } });
    return (await client.putManifest('team/app', tag, { bytes, mediaType: MANIFEST })).digest;
  }

  type Change = Partial<Omit<SignImageOptions, 'keyFile' | 'password'>>;

  const options = (reference: string): Omit<SignImageOptions, 'keyFile' | 'password'> => ({
    reference: parseReference(`${fake.host}/${reference}`),
    formats: 'both',
    client,
    now: NOW,
  });
  const sign = (change: Change = {}, reference = 'team/app:v1', by = key): Promise<SignedImage> =>
    signWithKey(by, { ...options(reference), ...change });

  const puts = (): string[] =>
    fake.requests
      .filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'))
      .map(({ path }) => path);

  /** Ids of trusted keys that verify each layer behind the `.sig` tag. */
  async function legacySigners(about = digest): Promise<string[][]> {
    const manifest = await client.getManifest('team/app', formatSignatureTag(about));
    return Promise.all(
      parseLegacyManifest(manifest.bytes).map(async ({ mediaType, payload, signature }) => {
        const bytes = await client.getBlob('team/app', payload.digest);
        const check = checkLegacySignature({
          subject: about,
          mediaType,
          payload: bytes,
          signature,
          trustedKeys,
        });
        return [...check.trustedKeys];
      }),
    );
  }

  async function bundleSigners(): Promise<string[][]> {
    const referrers = await client.listReferrers('team/app', digest);
    return Promise.all(
      referrers.map(async (referrer) => {
        const manifest = await client.getManifest('team/app', referrer.digest);
        const layer = findBundleLayer(manifest.bytes);
        if (layer === null) return [];
        const bundle = await client.getBlob('team/app', layer.digest);
        return [...checkBundleSignature({ subject: digest, bundle, trustedKeys }).trustedKeys];
      }),
    );
  }

  it('signs the digest behind the tag in both formats, the legacy one first', async () => {
    const { privateKey: keyFile } = pair;
    const signed = await signImage({ ...options('team/app:v1'), keyFile, password: PASSWORD });
    const [legacy, bundle] = signed.signatures;
    expect(signed).toMatchObject({ digest, keyId: parsePublicKey(pair.publicKey).keyId });
    expect([legacy, bundle]).toMatchObject([
      { format: 'legacy', isNew: true },
      { format: 'bundle', isNew: true },
    ]);
    expect(puts()).toEqual([
      `/v2/team/app/manifests/${formatSignatureTag(digest)}`,
      `/v2/team/app/manifests/${bundle?.manifest}`,
    ]);
    expect([await legacySigners(), await bundleSigners()]).toEqual([[['key']], [['key']]]);
  });

  it('keeps what it pushed complete: every blob that a manifest names is there', async () => {
    await sign();
    const repository = fake.repositories.get('team/app');
    for (const { bytes } of repository?.manifests.values() ?? []) {
      const { config, layers } = JSON.parse(bytes.toString()) as {
        config?: { digest: string };
        layers: { digest: string }[];
      };
      for (const named of [...layers, ...(config === undefined ? [] : [config])])
        expect(repository?.blobs.has(named.digest), named.digest).toBe(true);
    }
  });

  it('writes the time of the bundle in whole seconds', async () => {
    await sign({ formats: 'bundle' });
    const [referrer] = await client.listReferrers('team/app', digest);
    expect(referrer?.annotations?.['org.opencontainers.image.created']).toBe('2026-01-02T03:04:05Z');
  });

  it('writes only the format that is asked for', async () => {
    await sign({ formats: 'bundle' });
    expect(await client.findManifest('team/app', formatSignatureTag(digest))).toBeNull();
    const second = await pushImage('v2', 'two');
    await sign({ formats: 'legacy' }, 'team/app:v2');
    expect(await client.listReferrers('team/app', second)).toEqual([]);
    expect(await legacySigners(second)).toEqual([['key']]);
  });

  it('writes nothing when the same key has signed before', async () => {
    const first = await sign();
    fake.requests.length = 0;
    const second = await sign();
    expect(puts()).toEqual([]);
    expect(second.signatures).toEqual(first.signatures.map((signature) => ({ ...signature, isNew: false })));
  });

  it('adds to the signatures of others and leaves theirs as they are', async () => {
    await sign({}, 'team/app:v1', stranger);
    await sign();
    expect(await legacySigners()).toEqual([[], ['key']]);
    expect(await bundleSigners()).toEqual([[], ['key']]);
  });

  it('signs the digest that is given, even when a tag is given too and names another', async () => {
    await pushImage('v1', 'two');
    expect((await sign({}, `team/app:v1@${digest}`)).digest).toBe(digest);
  });

  it('keeps the fallback tag where the registry has no referrers API', async () => {
    fake.options.hasReferrersApi = false;
    await sign();
    expect(fake.repositories.get('team/app')?.tags.has(`sha256-${digest.slice(7)}`)).toBe(true);
    expect(await bundleSigners()).toEqual([['key']]);
  });

  it('adds its layer again when another signer has overwritten the tag in between', async () => {
    await sign({ formats: 'legacy' }, 'team/app:v1', stranger);
    const theirs = await client.getManifest('team/app', formatSignatureTag(digest));
    let overwritten = 0;
    fake.options.intercept = ({ method, url }, response) => {
      if (overwritten > 0 || method !== 'PUT' || url?.endsWith('.sig') !== true) return false;
      overwritten += 1;
      response.writeHead(201).end();
      return true;
    };
    await sign({ formats: 'legacy' });
    expect(overwritten).toBe(1);
    expect((await client.getManifest('team/app', formatSignatureTag(digest))).digest).not.toBe(theirs.digest);
    expect(await legacySigners()).toEqual([[], ['key']]);
  });

  it('says so when the tag is overwritten again and again', async () => {
    fake.options.intercept = ({ method, url }, response) => {
      if (method !== 'PUT' || url?.endsWith('.sig') !== true) return false;
      response.writeHead(201).end();
      return true;
    };
    await expect(sign()).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('is not stopped by broken referrers and signatures of others', async () => {
    const manifest = json({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      subject: { mediaType: MANIFEST, digest, size: 1 },
      layers: [
        {
          mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          digest: `sha256:${'0'.repeat(64)}`,
          size: 1,
        },
      ],
    });
    await client.pushReferrer('team/app', digest, {
      bytes: manifest,
      mediaType: MANIFEST,
      artifactType: 'x',
    });
    const layer = {
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      digest: `sha256:${'0'.repeat(64)}`,
      size: 1,
      annotations: { 'dev.cosignproject.cosign/signature': 'AAAA' },
    };
    await client.putManifest('team/app', formatSignatureTag(digest), {
      bytes: json({ schemaVersion: 2, mediaType: MANIFEST, layers: [layer] }),
      mediaType: MANIFEST,
    });
    expect((await sign()).signatures.map(({ isNew }) => isNew)).toEqual([true, true]);
  });

  it('overwrites no .sig tag that holds something else, and then pushes no bundle either', async () => {
    const bytes = json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [],
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    await client.putManifest('team/app', formatSignatureTag(digest), { bytes, mediaType });
    await expect(sign()).rejects.toMatchObject({ code: 'manifest-malformed' });
    expect(await client.listReferrers('team/app', digest)).toEqual([]);
  });

  it('refuses a wrong password, an image that is not there, and a client of another registry', async () => {
    const { privateKey: keyFile } = pair;
    const wrong = signImage({ ...options('team/app:v1'), keyFile, password: 'wrong' });
    await expect(wrong).rejects.toMatchObject({ code: 'KEY_FILE_PASSWORD' });
    await expect(sign({}, 'team/app:v9')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const reference = parseReference('registry.example/team/app:v1');
    await expect(sign({ reference })).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
    expect(puts()).toEqual([]);
  });

  it('stops when it is told to', async () => {
    const reason = new Error('interrupted');
    await expect(sign({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('generateKeyPair', () => {
  it('makes two files that belong together', async () => {
    const pair = await generateKeyPair('');
    const key = await openKeyFile(pair.privateKey, '');
    expect(key.publicKey.pem).toBe(parsePublicKey(pair.publicKey).pem);
  });
});
