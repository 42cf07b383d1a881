/**
 * Signing and verification beside the real cosign, on a registry without referrers API: what we sign it verifies, what
 * it signs we verify, in both formats and for every kind of key; and what was tampered with is refused by both. Then
 * the same on the platform itself, whose evidence is looked at.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair, signImage } from '../../apps/cli/src/sign/index.ts';
import type { Digest } from '@sluice/domain/oci';
import {
  checkBundleSignature,
  checkLegacySignature,
  findBundleLayer,
  formatSignatureTag,
  openKeyFile,
  parseLegacyManifest,
  parsePublicKey,
} from '@sluice/domain/signature';
import { RegistryClient, parseReference } from '@sluice/registry-client';
import { Cosign } from '../lib/cosign.ts';
import { startScratchRegistry } from '../lib/scratch-registry.ts';
import { Checklist, assert, assertEqual } from './checklist.ts';
import { installTools } from './install.ts';
import { BIN } from './paths.ts';
import { run } from './run.ts';
import { checkOnPlatform } from './signing-platform.ts';

type Format = 'legacy' | 'bundle';

const PASSWORD = 'correct horse';
const FORMATS: readonly Format[] = ['legacy', 'bundle'];
const KEYS = {
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  rsa2048: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  rsa4096: generateKeyPairSync('rsa', { modulusLength: 4096 }),
  ed25519: generateKeyPairSync('ed25519'),
};

await installTools(['cosign', 'crane', 'registry']);
const registry = await startScratchRegistry(join(BIN, 'registry'));
const work = mkdtempSync(join(tmpdir(), 'sluice-signing-'));
const cosign = new Cosign(work, PASSWORD);
const client = new RegistryClient({ registry: registry.host });
const list = new Checklist('signing');

try {
  await checkKeyFiles();
  for (const [name, pair] of Object.entries(KEYS)) {
    const pem = join(work, `${name}.pem`);
    writeFileSync(pem, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await cosign.createKey(name, pem);
    await checkOurs(name);
    await checkTheirs(name);
  }
  await checkTogether();
  await checkTampered();
  const savable = `${registry.host}/ours/p256:latest`;
  await checkOnPlatform(list, { cosign, work, password: PASSWORD, savable });
} finally {
  await registry.stop();
  rmSync(work, { recursive: true });
}
list.finish();

async function checkKeyFiles(): Promise<void> {
  await list.check('cosign opens a key file that we made', async () => {
    const pair = await generateKeyPair(PASSWORD);
    writeFileSync(join(work, 'made.key'), pair.privateKey);
    const { stdout } = await cosign.run(['public-key', '--key', 'made.key']);
    assertEqual(parsePublicKey(stdout).keyId, parsePublicKey(pair.publicKey).keyId, 'key id');
  });
  await list.check('we open a key file that cosign made', async () => {
    await cosign.createKey('theirs');
    const key = await openKeyFile(file('theirs.key'), PASSWORD);
    assertEqual(key.publicKey.keyId, parsePublicKey(file('theirs.pub')).keyId, 'key id');
  });
}

async function checkOurs(name: string): Promise<void> {
  await list.check(`cosign verifies our ${name} signatures in both formats`, async () => {
    const digest = await pushImage(`ours/${name}`, name);
    await sign(`ours/${name}`, name, 'both');
    for (const format of FORMATS) await expectCosign(`ours/${name}@${digest}`, name, format, true);
  });
  for (const format of FORMATS) {
    await list.check(
      `cosign verifies our ${name} signature without an option when only ${format} is there`,
      async () => {
        const digest = await pushImage(`only-${format}/${name}`, name);
        await sign(`only-${format}/${name}`, name, format);
        await expectCosign(`only-${format}/${name}@${digest}`, name, 'bundle', true);
      },
    );
  }
}

async function checkTheirs(name: string): Promise<void> {
  for (const format of FORMATS) {
    await list.check(`we verify the ${name} signature of cosign, ${format}`, async () => {
      const repository = `theirs-${format}/${name}`;
      const digest = await pushImage(repository, name);
      const reference = `${registry.host}/${repository}@${digest}`;
      if (format === 'legacy') await cosign.signLegacy(reference, name);
      else await cosign.signBundle(reference, name);
      const codes = await reasons(repository, digest, format, name);
      assertEqual(codes, [null], 'reasons');
    });
  }
}

async function checkTogether(): Promise<void> {
  await list.check('signatures of cosign and ours stand side by side', async () => {
    const digest = await pushImage('together', 'together');
    await cosign.signLegacy(`${registry.host}/together@${digest}`, 'p256');
    await cosign.signBundle(`${registry.host}/together@${digest}`, 'p256');
    await sign('together', 'p384', 'both');
    for (const format of FORMATS)
      for (const key of ['p256', 'p384']) await expectCosign(`together@${digest}`, key, format, true);
  });
  await list.check('an index is signed as such', async () => {
    const child = await pushImage('index', 'child');
    const { stdout } = await run(join(BIN, 'crane'), [
      'index',
      'append',
      '-m',
      `${registry.host}/index@${child}`,
      '-t',
      `${registry.host}/index:latest`,
    ]);
    const digest = stdout.trim().replace(/.*@/, '');
    const signed = await sign('index', 'p256', 'both');
    assertEqual(signed, digest, 'signed digest');
    for (const format of FORMATS) await expectCosign(`index@${digest}`, 'p256', format, true);
  });
}

async function checkTampered(): Promise<void> {
  await list.check('neither of us takes the signature of another key', async () => {
    const digest = await pushImage('stranger', 'stranger');
    await sign('stranger', 'p256', 'both');
    for (const format of FORMATS) {
      await expectCosign(`stranger@${digest}`, 'p384', format, false);
      assertEqual(await reasons('stranger', digest, format, 'p384'), ['untrusted-key'], 'reasons');
    }
  });
  await list.check('neither of us takes the legacy signature of another image', async () => {
    const victim = await pushImage('moved', 'victim');
    const other = await pushImage('moved', 'other');
    await sign('moved', 'p256', 'legacy');
    const signature = await client.getManifest('moved', formatSignatureTag(other));
    await client.putManifest('moved', formatSignatureTag(victim), signature);
    await expectCosign(`moved@${victim}`, 'p256', 'legacy', false);
    assertEqual(await reasons('moved', victim, 'legacy', 'p256'), ['other-digest'], 'reasons');
  });
  await list.check('neither of us takes a bundle whose statement was exchanged', async () => {
    const victim = await pushImage('forged', 'victim');
    const other = await pushImage('forged', 'other');
    await sign('forged', 'p256', 'bundle');
    await forgeBundle('forged', other, victim);
    await expectCosign(`forged@${victim}`, 'p256', 'bundle', false);
    assertEqual(await reasons('forged', victim, 'bundle', 'p256'), ['wrong-signature'], 'reasons');
  });
  await list.check(
    'an attestation by the key is no signature for us, though cosign 3 takes it for one',
    async () => {
      const digest = await pushImage('attested', 'attested');
      writeFileSync(join(work, 'predicate.json'), '{"approved":true}');
      const reference = `${registry.host}/attested@${digest}`;
      await cosign.attest(reference, 'p256', 'https://example.com/release/v1', 'predicate.json');
      await expectCosign(`attested@${digest}`, 'p256', 'bundle', true);
      assertEqual(await reasons('attested', digest, 'bundle', 'p256'), ['attestation'], 'reasons');
    },
  );
}

function file(name: string): string {
  return readFileSync(join(work, name), 'utf8');
}

async function pushImage(repository: string, content: string): Promise<Digest> {
  writeFileSync(join(work, 'content'), `${repository} ${content}`);
  const layer = join(work, 'layer.tar');
  await run('tar', ['--create', '--file', layer, '--directory', work, 'content']);
  const reference = `${registry.host}/${repository}:latest`;
  await run(join(BIN, 'crane'), ['append', '--oci-empty-base', '-f', layer, '-t', reference]);
  return (await client.getManifest(repository, 'latest')).digest;
}

async function sign(repository: string, key: string, formats: Format | 'both'): Promise<Digest> {
  const reference = parseReference(`${registry.host}/${repository}:latest`);
  const keyFile = file(`${key}.key`);
  const signed = await signImage({
    reference,
    keyFile,
    password: PASSWORD,
    formats,
    client,
    now: new Date(),
  });
  return signed.digest;
}

async function expectCosign(image: string, key: string, format: Format, expected: boolean): Promise<void> {
  const outcome = await cosign.verify(`${registry.host}/${image}`, `${key}.pub`, format);
  const verb = expected ? 'refuses' : 'accepts';
  assert((outcome.code === 0) === expected, `cosign ${verb} ${image} (${format}): ${outcome.stderr}`);
}

/** What our checks say of every signature of a format: null for one that counts, else the code of the rejection. */
async function reasons(
  repository: string,
  subject: Digest,
  format: Format,
  key: string,
): Promise<(string | null)[]> {
  const trustedKeys = [{ id: key, key: parsePublicKey(file(`${key}.pub`)) }];
  if (format === 'legacy') {
    const manifest = await client.getManifest(repository, formatSignatureTag(subject));
    return Promise.all(
      parseLegacyManifest(manifest.bytes).map(async (layer) => {
        const { mediaType, signature } = layer;
        const payload = await client.getBlob(repository, layer.payload.digest);
        const check = checkLegacySignature({ subject, mediaType, signature, payload, trustedKeys });
        return check.rejection?.code ?? null;
      }),
    );
  }
  const referrers = await client.listReferrers(repository, subject);
  return Promise.all(
    referrers.map(async ({ digest }) => {
      const layer = findBundleLayer((await client.getManifest(repository, digest)).bytes);
      if (layer === null) return 'no bundle';
      const bundle = await client.getBlob(repository, layer.digest);
      return checkBundleSignature({ subject, bundle, trustedKeys }).rejection?.code ?? null;
    }),
  );
}

/** Pushes the bundle of one image as a referrer of another, with a statement about that one. */
async function forgeBundle(repository: string, from: Digest, to: Digest): Promise<void> {
  const [referrer] = await client.listReferrers(repository, from);
  assert(referrer !== undefined, 'there is no bundle to forge');
  const { bytes, mediaType } = await client.getManifest(repository, referrer.digest);
  const layer = findBundleLayer(bytes);
  assert(layer !== null, 'the referrer carries no bundle');
  const bundle = JSON.parse((await client.getBlob(repository, layer.digest)).toString()) as {
    dsseEnvelope: { payload: string };
  };
  const statement = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString();
  bundle.dsseEnvelope.payload = Buffer.from(statement.replace(from.slice(7), to.slice(7))).toString('base64');
  const forged = Buffer.from(JSON.stringify(bundle));
  const digest = await client.putBlob(repository, forged);
  const manifest = JSON.parse(bytes.toString()) as {
    subject: object;
    layers: object[];
    artifactType: string;
  };
  manifest.subject = { ...manifest.subject, digest: to };
  manifest.layers = [{ ...manifest.layers[0], digest, size: forged.length }];
  await client.pushReferrer(repository, to, {
    bytes: Buffer.from(JSON.stringify(manifest)),
    mediaType,
    artifactType: manifest.artifactType,
  });
}
