import { randomBytes } from 'node:crypto';
import { buildImage, buildLayer, type Content, descriptor, type Image, type Layer } from '@sluice/testing';
import { assert } from '../checklist.ts';
import { buildStargz, TOC_ANNOTATION } from './estargz.ts';
import {
  content,
  contentsOf,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  dockerImage,
  EMPTY,
  indexOf,
  OCI_INDEX,
  OCI_MANIFEST,
  type Sample,
  sampleOf,
} from './sample.ts';

const LINUX_AMD64 = { os: 'linux', architecture: 'amd64' };
const LINUX_ARM64 = { os: 'linux', architecture: 'arm64' };
const UNKNOWN = { os: 'unknown', architecture: 'unknown' };
const PROVENANCE = 'https://slsa.dev/provenance/v0.2';
const LARGE_LAYERS = 4;

/** Files of a stargz layer, which its readers compare. */
export const STARGZ_FILES = [
  { path: 'app/first.txt', content: 'the first file\n'.repeat(200) },
  { path: 'app/second.txt', content: 'the second file\n'.repeat(300) },
  { path: 'app/node_modules/ms/package.json', content: '{"name":"ms","version":"2.1.3"}' },
];

/** A layer with a package of which no advisory is known. */
export function layerOf(text: string, compression: 'gzip' | 'zstd' = 'gzip'): Promise<Layer> {
  return buildLayer(
    [
      { path: 'app/node_modules/ms/package.json', content: '{"name":"ms","version":"2.1.3"}' },
      { path: 'app/text.txt', content: text },
    ],
    compression,
  );
}

export async function ociImage(name: string): Promise<Sample> {
  return sampleOf(contentsOf(buildImage([await layerOf(name), await layerOf(`${name}, above`)])));
}

/** Only what says how it was made can be turned into schema 1. */
export async function imageWithHistory(): Promise<Sample> {
  const layer = await layerOf('history');
  const { config } = buildImage([layer]);
  const full = content(config.mediaType, {
    ...(JSON.parse(config.bytes.toString()) as object),
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'a test' }],
  });
  return sampleOf([layer, full, manifestOf(full, [layer])]);
}

export async function dockerV2(): Promise<Sample> {
  return sampleOf(dockerImage([await layerOf('docker'), await layerOf('docker, above')]));
}

export async function dockerList(): Promise<Sample> {
  const amd64 = dockerImage([await layerOf('list')]);
  const arm64 = dockerImage([await layerOf('list, arm64')], 'arm64');
  const list = indexOf(DOCKER_LIST, [
    { of: last(amd64), platform: LINUX_AMD64 },
    { of: last(arm64), platform: LINUX_ARM64 },
  ]);
  return sampleOf([...amd64, ...arm64, list]);
}

export async function ociIndex(): Promise<Sample> {
  const [amd64, arm64] = await twoImages('index');
  return sampleOf([...contentsOf(amd64), ...contentsOf(arm64), platforms(amd64, arm64)]);
}

export async function nestedIndex(): Promise<Sample> {
  const [amd64, arm64] = await twoImages('nested');
  const inner = platforms(amd64, arm64);
  const outer = indexOf(OCI_INDEX, [{ of: inner }]);
  return sampleOf([...contentsOf(amd64), ...contentsOf(arm64), inner, outer]);
}

/** An index of two platforms, one of which was never pushed. */
export async function sparseIndex(): Promise<Sample> {
  const [amd64, arm64] = await twoImages('sparse');
  return sampleOf([...contentsOf(amd64), platforms(amd64, arm64)]);
}

/** What `docker buildx build --provenance=true` pushes: an attestation dressed as an image of no platform. */
export async function buildkitAttestations(): Promise<Sample> {
  const [amd64, arm64] = await twoImages('buildkit');
  const statement = attestation(amd64);
  const config = content('application/vnd.oci.image.config.v1+json', {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [statement.digest] },
  });
  const manifest = manifestOf(config, [statement]);
  const index = indexOf(OCI_INDEX, [
    { of: amd64.manifest, platform: LINUX_AMD64 },
    { of: arm64.manifest, platform: LINUX_ARM64 },
    { of: manifest, platform: UNKNOWN, annotations: attests(amd64) },
  ]);
  const above = [statement, config, manifest, index];
  return sampleOf([...contentsOf(amd64), ...contentsOf(arm64), ...above]);
}

/** The same with `oci-artifact=true`: an artifact with a subject. */
export async function buildkitArtifacts(): Promise<Sample> {
  const [amd64, arm64] = await twoImages('buildkit, artifact');
  const artifactType = 'application/vnd.docker.attestation.manifest.v1+json';
  const statement = attestation(amd64);
  const manifest = manifestOf(EMPTY, [statement], { artifactType, subject: descriptor(amd64.manifest) });
  const index = indexOf(OCI_INDEX, [
    { of: amd64.manifest, platform: LINUX_AMD64 },
    { of: arm64.manifest, platform: LINUX_ARM64 },
    { of: manifest, platform: UNKNOWN, artifactType, annotations: attests(amd64) },
  ]);
  const above = [statement, EMPTY, manifest, index];
  return sampleOf([...contentsOf(amd64), ...contentsOf(arm64), ...above]);
}

export async function zstdImage(): Promise<Sample> {
  return sampleOf(
    contentsOf(buildImage([await layerOf('zstd', 'zstd'), await layerOf('zstd, above', 'zstd')])),
  );
}

export async function stargzImage(): Promise<Sample> {
  const { layer, tocDigest } = await buildStargz(STARGZ_FILES);
  const { config } = buildImage([layer]);
  const manifest = content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(config),
    layers: [{ ...descriptor(layer), annotations: { [TOC_ANNOTATION]: tocDigest } }],
  });
  return sampleOf([layer, config, manifest]);
}

/** An image whose first layer lies elsewhere: only its address is pushed. */
export async function foreignImage(
  kind: 'oci' | 'docker',
  serve: (bytes: Buffer) => string,
): Promise<Sample> {
  const [foreign, own] = [await layerOf(`foreign, ${kind}`), await layerOf(`beside foreign, ${kind}`)];
  const { config } = buildImage([foreign, own]);
  const [manifestType, configType, foreignType, layerType] =
    kind === 'oci'
      ? [
          OCI_MANIFEST,
          config.mediaType,
          'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
          own.mediaType,
        ]
      : [
          DOCKER_MANIFEST,
          'application/vnd.docker.container.image.v1+json',
          'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
          'application/vnd.docker.image.rootfs.diff.tar.gzip',
        ];
  const manifest = content(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { ...descriptor(config), mediaType: configType },
    layers: [
      { ...descriptor(foreign), mediaType: foreignType, urls: [serve(foreign.bytes)] },
      { ...descriptor(own), mediaType: layerType },
    ],
  });
  return sampleOf(
    [content(layerType, own.bytes), content(configType, config.bytes), manifest],
    [content(foreignType, foreign.bytes)],
  );
}

/** Of bytes that compress no further, so that a push takes its time. Different for every client. */
export async function largeImage(bytes: number): Promise<Sample> {
  const layers: Layer[] = [];
  for (let at = 0; at < LARGE_LAYERS; at++) {
    layers.push(
      await buildLayer([{ path: `data/${at}.bin`, content: randomBytes(Math.ceil(bytes / LARGE_LAYERS)) }]),
    );
  }
  layers.push(await layerOf('large'));
  return sampleOf(contentsOf(buildImage(layers)));
}

async function twoImages(text: string): Promise<[Image, Image]> {
  return [
    buildImage([await layerOf(text)]),
    buildImage([await layerOf(`${text}, arm64`)], { architecture: 'arm64' }),
  ];
}

function platforms(amd64: Image, arm64: Image): Content {
  return indexOf(OCI_INDEX, [
    { of: amd64.manifest, platform: LINUX_AMD64 },
    { of: arm64.manifest, platform: LINUX_ARM64 },
  ]);
}

function attestation(image: Image): Content {
  return content('application/vnd.in-toto+json', {
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: PROVENANCE,
    subject: [{ name: 'app', digest: { sha256: image.manifest.digest.slice('sha256:'.length) } }],
    predicate: {},
  });
}

function attests(image: Image): Record<string, string> {
  return {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': image.manifest.digest,
  };
}

function manifestOf(
  config: Content,
  layers: readonly Content[],
  more: Record<string, unknown> = {},
): Content {
  return content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    ...more,
    config: descriptor(config),
    layers: layers.map((layer) => ({
      ...descriptor(layer),
      annotations: { 'in-toto.io/predicate-type': PROVENANCE },
    })),
  });
}

function last(contents: readonly Content[]): Content {
  const found = contents.at(-1);
  assert(found !== undefined, 'an image has a manifest');
  return found;
}
