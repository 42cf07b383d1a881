import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_JSON_DIGEST } from './digest.ts';
import { OciError } from './errors.ts';
import { MANIFEST_DESCRIPTORS_MAX, MANIFEST_SIZE_MAX, parseManifest } from './manifest.ts';
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_IMAGE_CONFIG,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from './media-types.ts';
import { JSON_DEPTH_MAX } from './strict-json.ts';

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
const descriptor = (mediaType: string, fill: string, extra: object = {}): Record<string, unknown> => ({
  mediaType,
  digest: `sha256:${fill.repeat(64)}`,
  size: 7,
  ...extra,
});
const image = (extra: object = {}): Record<string, unknown> => ({
  schemaVersion: 2,
  mediaType: OCI_IMAGE_MANIFEST,
  config: descriptor(OCI_IMAGE_CONFIG, 'c'),
  layers: [descriptor(LAYER_TYPE, 'a')],
  ...extra,
});
const bytes = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));
const parse = (document: unknown, contentType: string | null = null) =>
  parseManifest(bytes(document), contentType);
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('a manifest', () => {
  it('is read into typed descriptors, keeping what it does not know in the bytes', () => {
    const parsed = parse(
      image({
        annotations: { a: 'b' },
        subject: descriptor(OCI_IMAGE_MANIFEST, 'e'),
        layers: [descriptor(LAYER_TYPE, 'a', { urls: ['https://x'], newField: [1] })],
        'org.example.custom': { deep: true },
      }),
      `${OCI_IMAGE_MANIFEST}; charset=utf-8`,
    );
    expect(parsed).toMatchObject({
      form: 'image',
      mediaType: OCI_IMAGE_MANIFEST,
      config: { mediaType: OCI_IMAGE_CONFIG, digest: `sha256:${'c'.repeat(64)}`, size: 7 },
      layers: [{ mediaType: LAYER_TYPE, urls: ['https://x'] }],
      subject: { digest: `sha256:${'e'.repeat(64)}` },
      annotations: { a: 'b' },
    });
  });

  it('is an index with platforms', () => {
    const platform = { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' };
    expect(
      parse(
        { schemaVersion: 2, manifests: [descriptor(OCI_IMAGE_MANIFEST, 'a', { platform })] },
        OCI_IMAGE_INDEX,
      ),
    ).toMatchObject({
      form: 'index',
      manifests: [{ platform: { os: 'linux', architecture: 'arm', variant: 'v7', osVersion: '1' } }],
    });
  });

  it.each([DOCKER_MANIFEST, OCI_IMAGE_MANIFEST])(
    'may leave mediaType to the Content-Type %s',
    (contentType) => {
      const { mediaType: _, ...document } = image();
      expect(parse(document, contentType).mediaType).toBe(contentType);
    },
  );

  it('takes its type from mediaType when there is no Content-Type', () => {
    expect(parse({ schemaVersion: 2, mediaType: DOCKER_MANIFEST_LIST, manifests: [] }).form).toBe('index');
  });

  it("derives artifactType: its own, else the config's media type, else null for an index", () => {
    expect(parse(image({ artifactType: 'application/x' })).artifactType).toBe('application/x');
    expect(parse(image({ artifactType: '' })).artifactType).toBe(OCI_IMAGE_CONFIG);
    const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [] };
    expect(parse(index).artifactType).toBeNull();
    expect(parse({ ...index, artifactType: 'application/x' }).artifactType).toBe('application/x');
  });

  it('may have no layers, also as the null that Go writes for an empty list', () => {
    expect(parse(image({ layers: [] }))).toMatchObject({ layers: [] });
    expect(parse(image({ layers: null }))).toMatchObject({ layers: [] });
  });

  it('may embed data, which must be the content of its descriptor', () => {
    const content = Buffer.from('{}');
    const config = {
      mediaType: 'application/x',
      digest: EMPTY_JSON_DIGEST,
      size: 2,
      data: content.toString('base64'),
    };
    expect(parse(image({ config }))).toMatchObject({ config: { size: 2 } });
    expect(() => parse(image({ config: { ...config, data: 'e30K' } }))).toThrow(
      refusal('MANIFEST_INVALID', /data/),
    );
  });

  it('may be as large as 4 MiB and not a byte more', () => {
    const document = image({ annotations: { pad: '' } });
    const pad = MANIFEST_SIZE_MAX - bytes(document).length;
    expect(parse(image({ annotations: { pad: 'x'.repeat(pad) } })).form).toBe('image');
    expect(() => parse(image({ annotations: { pad: 'x'.repeat(pad + 1) } }))).toThrow(
      refusal('MANIFEST_TOO_LARGE', /4194304/),
    );
  });
});

describe('a malformed manifest', () => {
  const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [] };
  it.each<[string, unknown, RegExp]>([
    ['no object', [], /object/],
    ['no schemaVersion', { ...image(), schemaVersion: undefined }, /schemaVersion/],
    ['schema 1', { schemaVersion: 1, name: 'x' }, /schema 1/],
    ['an unknown type', image({ mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }), /expected/],
    ['a mediaType of another kind', image({ mediaType: 5 }), /mediaType/],
    ['no config', { ...image(), config: undefined }, /config/],
    ['no layers', { ...image(), layers: undefined }, /layers/],
    ['layers that are no array', image({ layers: {} }), /layers/],
    ['a layer that is no object', image({ layers: ['x'] }), /layers\[0\]/],
    ['a negative size', image({ config: descriptor(OCI_IMAGE_CONFIG, 'c', { size: -1 }) }), /size/],
    ['a fractional size', image({ config: descriptor(OCI_IMAGE_CONFIG, 'c', { size: 1.5 }) }), /size/],
    ['a size as text', image({ config: descriptor(OCI_IMAGE_CONFIG, 'c', { size: '7' }) }), /size/],
    ['an unsafe size', image({ config: descriptor(OCI_IMAGE_CONFIG, 'c', { size: 2 ** 60 }) }), /size/],
    ['a media type with a blank', image({ config: descriptor('a b/c', 'c') }), /media type/],
    ['an empty media type', image({ config: descriptor('', 'c') }), /media type/],
    ['annotations that are no strings', image({ annotations: { a: 1 } }), /annotations/],
    ['annotations that are an array', image({ annotations: [] }), /annotations/],
    ['urls that are no array', image({ layers: [descriptor(LAYER_TYPE, 'a', { urls: 'x' })] }), /urls/],
    ['a subject that is no descriptor', image({ subject: 'sha256:x' }), /subject/],
    ['an artifactType that is no string', image({ artifactType: {} }), /artifactType/],
    ['both layers and manifests', image({ manifests: [] }), /manifests/],
    ['an index with layers', { ...index, layers: [] }, /layers/],
    ['an index with a config', { ...index, config: null }, /config/],
    ['a key that Go would read as layers', image({ Layers: [] }), /layers/],
    ['a key that Go would read as schemaVersion', image({ ſchemaVersion: 2 }), /schemaVersion/],
    [
      'a descriptor key of another case',
      image({ config: descriptor(OCI_IMAGE_CONFIG, 'c', { Digest: 'x' }) }),
      /digest/,
    ],
    [
      'too many layers',
      image({ layers: Array.from({ length: MANIFEST_DESCRIPTORS_MAX + 1 }, () => 0) }),
      /at most/,
    ],
  ])('with %s is MANIFEST_INVALID', (_, document, message) => {
    expect(() => parse(document)).toThrow(refusal('MANIFEST_INVALID', message));
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['not JSON', 'blablabla', /not JSON/],
    ['empty', '', /not JSON/],
    ['cut off', '{"schemaVersion":2', /not JSON/],
    ['with a byte order mark', '\ufeff{}', /not JSON/],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
    ['a key twice', '{"schemaVersion":2,"layers":[],"layers":[]}', /"layers" twice/],
    ['a key twice, once escaped', '{"schemaVersion":2,"layers":[],"l\\u0061yers":[]}', /"layers" twice/],
    ['a nested key twice', '{"schemaVersion":2,"x":[{"a":"}","a":"]"}]}', /"a" twice/],
    ['too deep', `${'['.repeat(JSON_DEPTH_MAX + 1)}${']'.repeat(JSON_DEPTH_MAX + 1)}`, /nested/],
  ])('that is %s is MANIFEST_INVALID', (_, text, message) => {
    expect(() => parseManifest(Buffer.from(text), OCI_IMAGE_MANIFEST)).toThrow(
      refusal('MANIFEST_INVALID', message),
    );
  });

  it('keys that only look alike or stand in other objects are no duplicates', () => {
    const text = '{"a":{"a":"a\\"","b":["a","a"]},"\\"a":"\\\\","A":[{"a":1},{"a":1}]}';
    expect(() => parseManifest(Buffer.from(text), OCI_IMAGE_MANIFEST)).toThrow(
      refusal('MANIFEST_INVALID', /schemaVersion/),
    );
  });

  it.each([
    [image(), OCI_IMAGE_INDEX],
    [image(), 'text/plain'],
    [{ ...image(), mediaType: undefined }, 'application/json'],
  ])('whose mediaType and Content-Type disagree is refused (CVE-2021-41190)', (document, contentType) => {
    expect(() => parse(document, contentType)).toThrow(refusal('MANIFEST_INVALID', /type/i));
  });

  it.each([
    'application/vnd.docker.distribution.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
  ])('%s is refused as schema 1', (contentType) => {
    expect(() => parse({}, contentType)).toThrow(refusal('MANIFEST_INVALID', /schema 1/));
  });

  it('a digest that is none is DIGEST_INVALID', () => {
    const config = { ...descriptor(OCI_IMAGE_CONFIG, 'c'), digest: 'sha256:xyz' };
    expect(() => parse(image({ config }))).toThrow(refusal('DIGEST_INVALID', /xyz/));
  });

  it('never ends in anything but a manifest or an OciError', () => {
    const key = fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'subject',
      'annotations',
      'x',
    );
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom<unknown>(2, OCI_IMAGE_MANIFEST, OCI_IMAGE_INDEX, descriptor(OCI_IMAGE_CONFIG, 'c'), [
        descriptor(LAYER_TYPE, 'a'),
      ]),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(key, leaf)), fc.option(fc.nat(200)), (entries, cut) => {
        const text = JSON.stringify({ schemaVersion: 2, ...Object.fromEntries(entries) });
        const input = Buffer.from(cut === null ? text : text.slice(0, cut));
        const before = createHash('sha256').update(input).digest('hex');
        try {
          parseManifest(input, entries.length % 2 === 0 ? null : OCI_IMAGE_MANIFEST);
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
        expect(createHash('sha256').update(input).digest('hex'), 'the input is not changed').toBe(before);
      }),
      { seed: 4, numRuns: 1_000 },
    );
  });
});
