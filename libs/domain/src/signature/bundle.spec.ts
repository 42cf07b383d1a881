import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildBundle, parseBundle } from './bundle.ts';
import { SignatureRejected } from './errors.ts';
import { LIMITS } from './limits.ts';
import { parsePublicKey } from './public-key.ts';

const read = (name: string): Buffer => readFileSync(new URL(`./testdata/${name}`, import.meta.url));
type Json = Record<string, unknown>;
const original = (): Json => JSON.parse(read('p256.bundle.json').toString()) as Json;
const material = (change: Json): Json => ({
  verificationMaterial: { ...(original()['verificationMaterial'] as Json), ...change },
});
const envelope = (change: Json): Json => ({
  dsseEnvelope: { ...(original()['dsseEnvelope'] as Json), ...change },
});
const entry = { inclusionProof: {} };

function codeOf(value: unknown): string {
  try {
    parseBundle(Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)));
  } catch (error) {
    if (error instanceof SignatureRejected) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('parseBundle', () => {
  it('reads what cosign wrote', () => {
    const parsed = parseBundle(read('p256.bundle.json'));
    expect(parsed.payloadType).toBe('application/vnd.in-toto+json');
    expect(parsed.payload.toString()).toContain('https://in-toto.io/Statement/v1');
  });

  it('reads the other spelling of version 0.3', () => {
    const mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.3';
    expect(codeOf({ ...original(), mediaType })).toBe('accepted');
  });

  it('ignores log entries and timestamps, up to as many as sigstore-go reads', () => {
    const times = (count: number): Json => ({ rfc3161Timestamps: Array.from({ length: count }, () => ({})) });
    expect(
      codeOf({
        ...original(),
        ...material({
          tlogEntries: Array.from({ length: LIMITS.tlogEntries }, () => entry),
          timestampVerificationData: times(LIMITS.timestamps),
        }),
      }),
    ).toBe('accepted');
    const tooManyEntries = Array.from({ length: LIMITS.tlogEntries + 1 }, () => entry);
    expect(codeOf({ ...original(), ...material({ tlogEntries: tooManyEntries }) })).toBe('limit');
    const tooManyTimes = material({ timestampVerificationData: times(LIMITS.timestamps + 1) });
    expect(codeOf({ ...original(), ...tooManyTimes })).toBe('limit');
  });

  it('accepts an empty keyid or one that equals the hint', () => {
    const { hint } = parseBundle(read('p256.bundle.json'));
    expect(codeOf({ ...original(), ...envelope({ signatures: [{ sig: 'AAAA', keyid: '' }] }) })).toBe(
      'accepted',
    );
    expect(codeOf({ ...original(), ...envelope({ signatures: [{ sig: 'AAAA', keyid: hint }] }) })).toBe(
      'accepted',
    );
    expect(codeOf({ ...original(), ...envelope({ signatures: [{ sig: 'AAAA', keyid: 'x' }] }) })).toBe(
      'key-id',
    );
  });

  it.each<[string, unknown, string]>([
    ['no JSON', Buffer.from('{'), 'bundle-malformed'],
    [
      'a byte order mark',
      Buffer.concat([Buffer.from('efbbbf', 'hex'), read('p256.bundle.json')]),
      'bundle-malformed',
    ],
    ['bytes that are not UTF-8', Buffer.from('7b22ff223a317d', 'hex'), 'bundle-malformed'],
    ['a list', [], 'bundle-malformed'],
    ['null', null, 'bundle-malformed'],
    ['deep nesting', Buffer.from('['.repeat(200_000)), 'bundle-malformed'],
    ['too many bytes', Buffer.alloc(LIMITS.bundleBytes + 1, ' '), 'content-too-large'],
    ['no media type', { ...original(), mediaType: undefined }, 'bundle-malformed'],
    [
      'version 0.2',
      { ...original(), mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.2' },
      'bundle-version',
    ],
    [
      'an unknown version',
      { ...original(), mediaType: 'application/vnd.dev.sigstore.bundle.v9+json' },
      'bundle-version',
    ],
    ['no material', { ...original(), verificationMaterial: undefined }, 'bundle-malformed'],
    ['neither key nor certificate', { ...original(), verificationMaterial: {} }, 'bundle-malformed'],
    ['key and certificate', { ...original(), ...material({ certificate: {} }) }, 'bundle-malformed'],
    [
      'a certificate',
      { ...original(), verificationMaterial: { certificate: { rawBytes: 'AAAA' } } },
      'certificate',
    ],
    ['a chain', { ...original(), verificationMaterial: { x509CertificateChain: {} } }, 'certificate'],
    [
      'a hint that is a number',
      { ...original(), ...material({ publicKey: { hint: 1 } }) },
      'bundle-malformed',
    ],
    ['a log entry without proof', { ...original(), ...material({ tlogEntries: [{}] }) }, 'bundle-malformed'],
    ['no content', { ...original(), dsseEnvelope: undefined }, 'bundle-malformed'],
    ['two contents', { ...original(), messageSignature: {} }, 'bundle-malformed'],
    [
      'a message signature',
      { ...original(), dsseEnvelope: undefined, messageSignature: {} },
      'message-signature',
    ],
    ['no signature', { ...original(), ...envelope({ signatures: [] }) }, 'envelope-signatures'],
    ['two signatures', { ...original(), ...envelope({ signatures: [{}, {}] }) }, 'envelope-signatures'],
    ['signatures that are no list', { ...original(), ...envelope({ signatures: {} }) }, 'bundle-malformed'],
    ['no payload', { ...original(), ...envelope({ payload: undefined }) }, 'bundle-malformed'],
    ['a payload that is no base64', { ...original(), ...envelope({ payload: '*' }) }, 'bundle-malformed'],
    ['base64 without padding', { ...original(), ...envelope({ payload: 'e30' }) }, 'bundle-malformed'],
    ['base64 with stray bits', { ...original(), ...envelope({ payload: 'e31=' }) }, 'bundle-malformed'],
  ])('refuses %s', (_name, value, code) => {
    expect(codeOf(value)).toBe(code);
  });
});

describe('buildBundle', () => {
  it('writes the same bytes as cosign for the same statement and signature', () => {
    const key = parsePublicKey(read('p256.pub').toString());
    const { payload, signature } = parseBundle(read('p256.bundle.json'));
    expect(buildBundle(key, payload, signature).toString()).toBe(read('p256.bundle.json').toString());
  });
});
