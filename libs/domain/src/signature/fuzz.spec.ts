import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../oci/digest.ts';
import { parseBundle } from './bundle.ts';
import { findBundleLayer } from './bundle-manifest.ts';
import { KeyError, SignatureRejected } from './errors.ts';
import { openKeyFile } from './key-file.ts';
import { appendLegacySignature, parseLegacyManifest } from './legacy-manifest.ts';
import { parsePublicKey } from './public-key.ts';
import { parseSimpleSigning } from './simple-signing.ts';
import { parseStatement } from './statement.ts';
import { checkBundleSignature, checkLegacySignature } from './verify.ts';

const SEED = 20_261_121;
const RUNS = 400;
const read = (name: string): Buffer => readFileSync(new URL(`./testdata/${name}`, import.meta.url));
const { subject } = JSON.parse(read('digests.json').toString()) as { subject: Digest };
const trustedKeys = [{ id: 'key', key: parsePublicKey(read('p256.pub').toString()) }];

/** Bytes of a real file with some of them changed, removed or doubled. */
function mutated(original: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(fc.nat(original.length - 1), fc.constantFrom('set', 'cut', 'repeat'), fc.nat(255));
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    let bytes = Buffer.from(original);
    for (const [at, kind, value] of edits) {
      const rest = bytes.subarray(at + 1);
      const middle = kind === 'cut' ? [] : kind === 'set' ? [value] : [bytes[at] ?? 0, bytes[at] ?? 0];
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(middle), rest]);
    }
    return bytes;
  });
}

/** Any JSON value in place of one field of a real document. */
function rewired(original: Buffer): fc.Arbitrary<Buffer> {
  const paths = collectPaths(JSON.parse(original.toString()), []);
  return fc.tuple(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 3 })).map(([path, value]) => {
    const root: { top: unknown } = { top: JSON.parse(original.toString()) };
    let holder = root as Record<string, unknown>;
    const [last = 'top', ...before] = ['top', ...path].reverse();
    for (const key of before.reverse()) holder = holder[key] as Record<string, unknown>;
    holder[last] = value;
    return Buffer.from(JSON.stringify(root.top));
  });
}

function collectPaths(value: unknown, path: string[]): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => collectPaths(child, [...path, key]))];
}

const hostile = (original: Buffer): fc.Arbitrary<Buffer> =>
  fc.oneof(
    mutated(original),
    rewired(original),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
  );

const onlyRejects = (action: () => unknown): void => {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SignatureRejected) && !(error instanceof KeyError)) throw error;
  }
};

describe('parsers under fuzz', () => {
  it.each<[string, fc.Arbitrary<Buffer>, (bytes: Buffer) => unknown]>([
    ['parseBundle', hostile(read('p256.bundle.json')), parseBundle],
    ['findBundleLayer', hostile(read('p256.bundle-manifest.json')), findBundleLayer],
    ['parseLegacyManifest', hostile(read('two-signers.sig.json')), parseLegacyManifest],
    [
      'appendLegacySignature',
      hostile(read('two-signers.sig.json')),
      (bytes) => appendLegacySignature(bytes, Buffer.from('p'), Buffer.from('s')),
    ],
    ['parseSimpleSigning', hostile(read('two-signers.payload-1.json')), parseSimpleSigning],
    ['parseStatement', hostile(parseBundle(read('attestation.bundle.json')).payload), parseStatement],
    ['parsePublicKey', mutated(read('p384.pub')), (bytes) => parsePublicKey(bytes.toString())],
  ])('%s refuses by its own error and by no other', (_name, bytes, parse) => {
    fc.assert(
      fc.property(bytes, (input) => onlyRejects(() => parse(input))),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('openKeyFile refuses by its own error, and never takes long to do so', async () => {
    const truncated = fc.nat(600).map((end) => read('p256.key').subarray(0, end).toString());
    await fc.assert(
      fc.asyncProperty(fc.oneof(truncated, fc.string()), async (text) => {
        await expect(openKeyFile(text, '')).rejects.toBeInstanceOf(KeyError);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});

describe('verification under fuzz', () => {
  it('verifies a changed bundle only when payload and signature are still the same bytes', () => {
    const original = parseBundle(read('p256.bundle.json'));
    fc.assert(
      fc.property(hostile(read('p256.bundle.json')), (bundle) => {
        const check = checkBundleSignature({ subject, bundle, trustedKeys });
        if (check.rejection !== null) return;
        const { payload, signature } = parseBundle(bundle);
        expect([payload, signature]).toEqual([original.payload, original.signature]);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('never verifies a changed payload', () => {
    const signature = parseLegacyManifest(read('p256.sig.json'))[0]?.signature ?? '';
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    const original = read('p256.payload-0.json');
    fc.assert(
      fc.property(hostile(read('p256.payload-0.json')), (payload) => {
        const check = checkLegacySignature({ subject, mediaType, payload, signature, trustedKeys });
        expect(check.rejection === null).toBe(payload.equals(original));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
