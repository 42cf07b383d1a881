import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../oci/digest.ts';
import { buildBundle } from './bundle.ts';
import { type SigningKey, openKeyFile } from './key-file.ts';
import { LIMITS } from './limits.ts';
import { parseLegacyManifest } from './legacy-manifest.ts';
import { parsePublicKey } from './public-key.ts';
import { buildSimpleSigning } from './simple-signing.ts';
import { IN_TOTO_PAYLOAD_TYPE, buildImageStatement, preAuthEncoding } from './statement.ts';
import {
  type SignatureCheck,
  type TrustedPublicKey,
  checkBundleSignature,
  checkLegacySignature,
  rejectedCheck,
  toSignatureEvidence,
} from './verify.ts';

const read = (name: string): Buffer => readFileSync(new URL(`./testdata/${name}`, import.meta.url));
const trust = (...names: string[]): TrustedPublicKey[] =>
  names.map((name) => ({ id: `id of ${name}`, key: parsePublicKey(read(`${name}.pub`).toString()) }));
const { subject, other } = JSON.parse(read('digests.json').toString()) as { subject: Digest; other: Digest };
const KEYS = ['p256', 'p384', 'p521', 'rsa2048', 'ed25519'];

function legacy(name: string, trustedKeys: TrustedPublicKey[], index = 0): SignatureCheck {
  const layer = parseLegacyManifest(read(`${name}.sig.json`))[index];
  if (layer === undefined) throw new Error('no such layer');
  const { mediaType, signature } = layer;
  return checkLegacySignature({
    subject,
    mediaType,
    signature,
    payload: read(`${name}.payload-${index}.json`),
    trustedKeys,
  });
}

function bundle(name: string, trustedKeys: TrustedPublicKey[]): SignatureCheck {
  return checkBundleSignature({ subject, bundle: read(`${name}.bundle.json`), trustedKeys });
}

describe('what cosign signed', () => {
  it.each(KEYS)('counts by a trusted %s key, in both formats', (name) => {
    expect(legacy(name, trust(name))).toEqual({
      format: 'cosign-legacy',
      signedDigest: subject,
      predicateType: null,
      trustedKeys: [`id of ${name}`],
      rejection: null,
    });
    expect(bundle(name, trust('stranger', name))).toEqual({
      format: 'sigstore-bundle',
      signedDigest: subject,
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      trustedKeys: [`id of ${name}`],
      rejection: null,
    });
  });

  it.each(KEYS)('does not count by a %s key that is not trusted', (name) => {
    const others = trust(...['stranger', ...KEYS].filter((key) => key !== name));
    expect(legacy(name, others).rejection?.code).toBe('untrusted-key');
    expect(bundle(name, others).rejection?.code).toBe('untrusted-key');
  });

  it('does not count where no key is trusted', () => {
    expect(legacy('p256', []).rejection?.code).toBe('no-trusted-keys');
    expect(bundle('p256', []).rejection?.code).toBe('no-trusted-keys');
  });

  it('is checked layer by layer when several signed: each by its own key, annotations included', () => {
    const trustedKeys = trust('p256');
    expect(legacy('two-signers', trustedKeys, 0).rejection?.code).toBe('untrusted-key');
    expect(legacy('two-signers', trustedKeys, 1).trustedKeys).toEqual(['id of p256']);
  });

  it('names every trusted key that verifies it, also when one key is trusted twice', () => {
    const [key] = trust('p256');
    if (key === undefined) throw new Error('no key');
    const twice = [key, { ...key, id: 'again' }];
    expect(legacy('p256', twice).trustedKeys).toEqual(['id of p256', 'again']);
  });

  it('does not count for another digest, and says which one it was made for', () => {
    const trustedKeys = trust('p256');
    for (const check of [legacy('other-digest', trustedKeys), bundle('other-digest', trustedKeys)]) {
      expect(check).toMatchObject({ signedDigest: other, trustedKeys: [] });
      expect(check.rejection?.code).toBe('other-digest');
      expect(check.rejection?.message).toContain(other);
    }
  });

  it('does not count as a signature when it is an attestation of another predicate type', () => {
    expect(bundle('attestation', trust('p256'))).toMatchObject({
      signedDigest: subject,
      predicateType: 'https://example.com/release/v1',
      trustedKeys: [],
      rejection: { code: 'attestation' },
    });
  });

  it('does not count when the bundle signs the bytes of the manifest (messageSignature)', () => {
    expect(bundle('message-signature', trust('p256')).rejection?.code).toBe('message-signature');
  });
});

describe('what was tampered with', () => {
  it('does not count when any byte of a payload changes', () => {
    const trustedKeys = trust('p256');
    const layer = parseLegacyManifest(read('p256.sig.json'))[0];
    const payload = read('p256.payload-0.json');
    const mediaType = layer?.mediaType ?? '';
    const signature = layer?.signature ?? '';
    for (let at = 0; at < payload.length; at += 1) {
      const changed = Buffer.from(payload);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      const check = checkLegacySignature({ subject, mediaType, payload: changed, signature, trustedKeys });
      expect(check.rejection, `byte ${at}`).not.toBeNull();
    }
  });

  it.each(KEYS)('does not count when any byte of a signature by %s changes', (name) => {
    const trustedKeys = trust(name);
    const document = JSON.parse(read(`${name}.bundle.json`).toString()) as {
      dsseEnvelope: { signatures: [{ sig: string }] };
    };
    const original = Buffer.from(document.dsseEnvelope.signatures[0].sig, 'base64');
    const step = name === 'ed25519' || name === 'p521' ? 7 : 3;
    for (let at = 0; at < original.length; at += step) {
      const changed = Buffer.from(original);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      document.dsseEnvelope.signatures[0].sig = changed.toString('base64');
      const check = checkBundleSignature({
        subject,
        bundle: Buffer.from(JSON.stringify(document)),
        trustedKeys,
      });
      expect(check.rejection?.code, `byte ${at}`).toBe('wrong-signature');
    }
  });

  it('does not count when the payload is exchanged for one about this digest', () => {
    const document = JSON.parse(read('other-digest.bundle.json').toString()) as {
      dsseEnvelope: { payload: string };
    };
    document.dsseEnvelope.payload = buildImageStatement(subject).toString('base64');
    const check = checkBundleSignature({
      subject,
      bundle: Buffer.from(JSON.stringify(document)),
      trustedKeys: trust('p256'),
    });
    expect(check.rejection?.code).toBe('wrong-signature');
  });

  it('does not count when the payload type is exchanged: it is part of what is signed', () => {
    const text = read('p256.bundle.json').toString().replace('application/vnd.in-toto+json', 'text/plain');
    const check = checkBundleSignature({ subject, bundle: Buffer.from(text), trustedKeys: trust('p256') });
    expect(check.rejection?.code).toBe('payload-type');
  });

  it.each([
    [null, 'signature-missing'],
    ['', 'signature-missing'],
    ['not base64!', 'signature-encoding'],
    ['AAAA', 'untrusted-key'],
  ])('refuses the signature annotation %j as %s', (signature, code) => {
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    const payload = read('p256.payload-0.json');
    const check = checkLegacySignature({
      subject,
      mediaType,
      payload,
      signature,
      trustedKeys: trust('p256'),
    });
    expect(check.rejection?.code).toBe(code);
  });

  it('refuses layers of another media type', () => {
    const check = checkLegacySignature({
      subject,
      mediaType: 'application/octet-stream',
      payload: read('p256.payload-0.json'),
      signature: 'AAAA',
      trustedKeys: trust('p256'),
    });
    expect(check.rejection?.code).toBe('layer-type');
  });
});

describe('what a trusted key signed itself', () => {
  let key: SigningKey;
  beforeAll(async () => {
    key = await openKeyFile(read('p256.key').toString(), 'test-password');
  });
  const signed = (statement: Buffer): SignatureCheck =>
    checkBundleSignature({
      subject,
      bundle: buildBundle(
        key.publicKey,
        statement,
        key.sign(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, statement)),
      ),
      trustedKeys: trust('p256'),
    });

  it('counts in both formats as we build them', () => {
    expect(signed(buildImageStatement(subject)).rejection).toBeNull();
    const payload = buildSimpleSigning({ digest: subject, dockerReference: 'registry.example/team/app' });
    const check = checkLegacySignature({
      subject,
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      payload,
      signature: key.sign(payload).toString('base64'),
      trustedKeys: trust('p256'),
    });
    expect(check.trustedKeys).toEqual(['id of p256']);
  });

  it('counts for a sha512 subject', () => {
    const digest = `sha512:${'ab'.repeat(64)}` as Digest;
    const statement = buildImageStatement(digest);
    const made = buildBundle(
      key.publicKey,
      statement,
      key.sign(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, statement)),
    );
    expect(
      checkBundleSignature({ subject: digest, bundle: made, trustedKeys: trust('p256') }).rejection,
    ).toBeNull();
  });

  it('counts without a predicate, as cosign 3.0.0 to 3.0.4 wrote it', () => {
    const { predicate, ...rest } = JSON.parse(buildImageStatement(subject).toString()) as Record<
      string,
      unknown
    >;
    expect(predicate).toEqual({});
    expect(signed(Buffer.from(JSON.stringify(rest))).rejection).toBeNull();
    expect(signed(Buffer.from(JSON.stringify({ ...rest, predicate: null }))).rejection).toBeNull();
  });

  it.each([
    ['another statement version', { _type: 'https://in-toto.io/Statement/v0.1' }, 'statement-malformed'],
    ['no subject', { subject: [] }, 'statement-malformed'],
    ['no predicate type', { predicateType: undefined }, 'statement-malformed'],
    ['a predicate that is a list', { predicate: [] }, 'statement-malformed'],
    ['a subject without digest', { subject: [{ name: 'x' }] }, 'statement-malformed'],
    ['a digest that is a number', { subject: [{ digest: { sha256: 1 } }] }, 'statement-malformed'],
    ['upper-case hex', { subject: [{ digest: { sha256: subject.slice(7).toUpperCase() } }] }, 'other-digest'],
    ['a digest of another algorithm', { subject: [{ digest: { sha1: subject.slice(7) } }] }, 'other-digest'],
    ['the digest as a name', { subject: [{ name: subject, digest: {} }] }, 'other-digest'],
    [
      'too many subjects',
      { subject: Array.from({ length: LIMITS.subjects + 1 }, () => ({ digest: {} })) },
      'limit',
    ],
    [
      'too many digests',
      { subject: [{ digest: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`d${n}`, ''])) }] },
      'limit',
    ],
    [
      'the attestation predicate of cosign',
      { predicateType: 'https://cosign.sigstore.dev/attestation/v1' },
      'attestation',
    ],
    ['a longer predicate type', { predicateType: 'https://sigstore.dev/cosign/sign/v1/x' }, 'attestation'],
  ])('does not count with %s', (_name, change, code) => {
    const statement = JSON.parse(buildImageStatement(subject).toString()) as object;
    expect(signed(Buffer.from(JSON.stringify({ ...statement, ...change }))).rejection?.code).toBe(code);
  });

  it('counts when the subject is one of several, up to the limit', () => {
    const subjects = Array.from({ length: LIMITS.subjects - 1 }, () => ({ digest: { sha256: '0' } }));
    const statement = JSON.parse(buildImageStatement(subject).toString()) as { subject: object[] };
    statement.subject.unshift(...subjects);
    expect(signed(Buffer.from(JSON.stringify(statement))).rejection).toBeNull();
  });
});

describe('toSignatureEvidence', () => {
  it('starts the reason with the code of the rejection', () => {
    const evidence = toSignatureEvidence(bundle('p256', []), other, '2026-01-01T00:00:00.000Z');
    expect(evidence).toMatchObject({
      kind: 'signature',
      source: other,
      verified: false,
      reason: 'no-trusted-keys: no key is trusted for this repository',
    });
  });

  it('has no reason when it is verified', () => {
    expect(toSignatureEvidence(bundle('p256', trust('p256')), other, '')).toMatchObject({
      verified: true,
      trustedKeys: ['id of p256'],
      reason: null,
    });
  });
});

describe('rejectedCheck', () => {
  it('does not swallow errors that are no rejections', () => {
    expect(() => rejectedCheck('cosign-legacy', new TypeError('a fault'))).toThrow(TypeError);
  });
});
