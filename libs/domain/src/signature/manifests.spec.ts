import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../oci/digest.ts';
import { buildBundleManifest, findBundleLayer } from './bundle-manifest.ts';
import { SignatureRejected } from './errors.ts';
import { appendLegacySignature, parseLegacyManifest } from './legacy-manifest.ts';
import { LIMITS } from './limits.ts';
import { buildSimpleSigning, parseSimpleSigning } from './simple-signing.ts';
import { formatSignatureTag, parseSignatureTag } from './signature-tag.ts';
import { buildImageStatement } from './statement.ts';

const read = (name: string): Buffer => readFileSync(new URL(`./testdata/${name}`, import.meta.url));
const json = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
const { subject } = json(read('digests.json')) as { subject: Digest };

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SignatureRejected) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('the payload of a legacy signature', () => {
  it('is built byte for byte as cosign does', () => {
    const cosign = read('p256.payload-0.json');
    expect(buildSimpleSigning(parseSimpleSigning(cosign)).toString()).toBe(cosign.toString());
  });

  it.each<[string, object, string]>([
    ['another type', { type: 'atomic container signature' }, 'payload-type'],
    ['no type', { type: undefined }, 'payload-malformed'],
    ['no image', { image: undefined }, 'payload-malformed'],
    ['no identity', { identity: undefined }, 'payload-malformed'],
    ['a digest that is none', { image: { 'docker-manifest-digest': 'sha256:00' } }, 'payload-malformed'],
  ])('is refused with %s', (_name, change, code) => {
    const { critical } = json(read('p256.payload-0.json'));
    const bytes = Buffer.from(JSON.stringify({ critical: { ...(critical as object), ...change } }));
    expect(codeOf(() => parseSimpleSigning(bytes))).toBe(code);
  });

  it('is read up to 256 KiB and refused above', () => {
    const padded = (size: number): Buffer =>
      Buffer.concat([read('p256.payload-0.json'), Buffer.alloc(size, ' ')]).subarray(0, size);
    expect(codeOf(() => parseSimpleSigning(padded(LIMITS.payloadBytes)))).toBe('accepted');
    expect(codeOf(() => parseSimpleSigning(padded(LIMITS.payloadBytes + 1)))).toBe('content-too-large');
  });

  it.each([null, { creator: 'x' }, undefined])('may have the optional part %j', (optional) => {
    const { critical } = json(read('p256.payload-0.json'));
    expect(codeOf(() => parseSimpleSigning(Buffer.from(JSON.stringify({ critical, optional }))))).toBe(
      'accepted',
    );
  });

  it('may not have an optional part of another kind', () => {
    const { critical } = json(read('p256.payload-0.json'));
    const bytes = Buffer.from(JSON.stringify({ critical, optional: 'x' }));
    expect(codeOf(() => parseSimpleSigning(bytes))).toBe('payload-malformed');
  });
});

describe('the statement of a bundle', () => {
  it('is built byte for byte as cosign does', () => {
    const { dsseEnvelope } = json(read('p256.bundle.json')) as { dsseEnvelope: { payload: string } };
    expect(buildImageStatement(subject).toString('base64')).toBe(dsseEnvelope.payload);
  });
});

describe('the manifest behind a .sig tag', () => {
  const payload = read('p256.payload-0.json');

  it('is built as cosign does, except for the order of keys', () => {
    const cosign = read('p256.sig.json');
    const [layer] = parseLegacyManifest(cosign);
    const built = appendLegacySignature(null, payload, Buffer.from(layer?.signature ?? '', 'base64'));
    expect(json(built.manifest)).toEqual(json(cosign));
  });

  it('has a real config with one DiffID and one history entry a layer', () => {
    const one = appendLegacySignature(null, payload, Buffer.from('one'));
    const two = appendLegacySignature(one.manifest, payload, Buffer.from('two'));
    const config = json(two.config) as { rootfs: { type: string; diff_ids: string[] }; history: unknown[] };
    const digest = `sha256:${createHash('sha256').update(payload).digest('hex')}`;
    expect(config.rootfs).toEqual({ type: 'layers', diff_ids: [digest, digest] });
    expect(config.history).toHaveLength(2);
    expect(json(two.manifest)['config']).toMatchObject({
      digest: `sha256:${createHash('sha256').update(two.config).digest('hex')}`,
      size: two.config.byteLength,
    });
  });

  it('keeps the layers that are there, with all their annotations', () => {
    const existing = read('two-signers.sig.json');
    const before = json(existing)['layers'] as object[];
    Object.assign(before[0] ?? {}, { annotations: { 'dev.sigstore.cosign/certificate': 'x', foreign: 'y' } });
    const changed = Buffer.from(JSON.stringify({ ...json(existing), layers: before }));
    const { manifest } = appendLegacySignature(changed, payload, Buffer.from('new'));
    expect((json(manifest)['layers'] as object[]).slice(0, 2)).toEqual(before);
    expect(parseLegacyManifest(manifest)).toHaveLength(3);
  });

  it('takes up to 1000 layers and no more', () => {
    const [layer] = json(read('p256.sig.json'))['layers'] as object[];
    const full = (count: number): Buffer =>
      Buffer.from(JSON.stringify({ ...json(read('p256.sig.json')), layers: Array(count).fill(layer) }));
    expect(parseLegacyManifest(full(1000))).toHaveLength(1000);
    expect(codeOf(() => parseLegacyManifest(full(1001)))).toBe('limit');
    expect(codeOf(() => appendLegacySignature(full(999), payload, Buffer.from('x')))).toBe('accepted');
    expect(codeOf(() => appendLegacySignature(full(1000), payload, Buffer.from('x')))).toBe('limit');
  });

  it.each<[string, Record<string, unknown>]>([
    ['an index', { mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }],
    ['no layers', { layers: undefined }],
    ['a layer that is a string', { layers: ['x'] }],
    ['a layer without digest', { layers: [{ mediaType: 'x', size: 1 }] }],
    ['a layer of negative size', { layers: [{ mediaType: 'x', size: -1, digest: subject }] }],
    [
      'annotations that are a list',
      { layers: [{ mediaType: 'x', size: 1, digest: subject, annotations: [] }] },
    ],
    [
      'a signature that is a number',
      {
        layers: [
          {
            mediaType: 'x',
            size: 1,
            digest: subject,
            annotations: { 'dev.cosignproject.cosign/signature': 1 },
          },
        ],
      },
    ],
  ])('is refused as manifest-malformed with %s', (_name, change) => {
    const bytes = Buffer.from(JSON.stringify({ ...json(read('p256.sig.json')), ...change }));
    expect(codeOf(() => parseLegacyManifest(bytes))).toBe('manifest-malformed');
  });

  it('may have the media type that COSIGN_DOCKER_MEDIA_TYPES makes', () => {
    const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
    const bytes = Buffer.from(JSON.stringify({ ...json(read('p256.sig.json')), mediaType }));
    expect(parseLegacyManifest(bytes)).toHaveLength(1);
  });
});

describe('the referrer that carries a bundle', () => {
  it('is built as cosign does, except for the time and the type of the empty config', () => {
    const cosign = json(read('p256.bundle-manifest.json'));
    const bundle = read('p256.bundle.json');
    const annotations = cosign['annotations'] as Record<string, string>;
    const createdAt = new Date(annotations['org.opencontainers.image.created'] ?? '');
    const built = json(
      buildBundleManifest(
        cosign['subject'] as { mediaType: string; digest: Digest; size: number },
        bundle,
        createdAt,
      ),
    );
    const { artifactType, ...config } = cosign['config'] as Record<string, unknown>;
    expect(artifactType).toBe('application/vnd.dev.sigstore.bundle.v0.3+json');
    expect(built).toEqual({ ...cosign, config });
  });

  it('is recognised by the type of its only layer, not by its artifactType', () => {
    const manifest = json(read('p256.bundle-manifest.json'));
    const [layer] = manifest['layers'] as object[];
    const find = (change: object): unknown =>
      findBundleLayer(Buffer.from(JSON.stringify({ ...manifest, ...change })));
    expect(find({})).toEqual(layer);
    expect(find({ artifactType: 'text/plain' })).toEqual(layer);
    expect(find({ layers: [{ ...layer, mediaType: 'application/spdx+json' }] })).toBeNull();
    expect(find({ layers: [layer, layer] })).toBeNull();
    expect(find({ layers: [] })).toBeNull();
    expect(find({ layers: undefined, manifests: [] })).toBeNull();
  });

  it('is refused as manifest-malformed when it claims a bundle and names none', () => {
    const manifest = json(read('p256.bundle-manifest.json'));
    const layers = [{ ...(manifest['layers'] as object[])[0], digest: 'x' }];
    expect(codeOf(() => findBundleLayer(Buffer.from(JSON.stringify({ ...manifest, layers }))))).toBe(
      'manifest-malformed',
    );
    expect(codeOf(() => findBundleLayer(Buffer.from('{')))).toBe('manifest-malformed');
  });
});

describe('the tag of legacy signatures', () => {
  it('is sha256-<hex>.sig, and back', () => {
    const tag = formatSignatureTag(subject);
    expect(tag).toBe(`sha256-${subject.slice(7)}.sig`);
    expect(parseSignatureTag(tag)).toBe(subject);
  });

  it('does not exist for sha512: it would be longer than a tag may be', () => {
    expect(codeOf(() => formatSignatureTag(`sha512:${'0'.repeat(128)}` as Digest))).toBe('limit');
  });

  it.each([
    '',
    'latest',
    `sha256-${'0'.repeat(64)}`,
    `sha256-${'0'.repeat(63)}.sig`,
    `sha256-${'A'.repeat(64)}.sig`,
    `sha256-${'0'.repeat(64)}.att`,
    `x-sha256-${'0'.repeat(64)}.sig`,
    `sha256-${'0'.repeat(64)}.sig\n`,
  ])('is not %j', (tag) => {
    expect(parseSignatureTag(tag)).toBeNull();
  });
});
