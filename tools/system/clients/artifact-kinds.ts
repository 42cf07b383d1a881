import { gzipSync } from 'node:zlib';
import { buildImage, type Content, descriptor } from '@sluice/testing';
import { layerOf } from './image-kinds.ts';
import {
  artifactOf,
  content,
  contentsOf,
  EMPTY,
  indexOf,
  OCI_INDEX,
  OCI_MANIFEST,
  type Sample,
  sampleOf,
} from './sample.ts';

/** `\0asm` and version 1: the smallest module there is. */
const WASM_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

export const SPDX = {
  spdxVersion: 'SPDX-2.3',
  SPDXID: 'SPDXRef-DOCUMENT',
  name: 'app',
  dataLicense: 'CC0-1.0',
  documentNamespace: 'https://example.com/app',
  creationInfo: { created: '2026-01-01T00:00:00Z', creators: ['Tool: example'] },
  packages: [],
};
export const CYCLONEDX = { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1, components: [] };

/** A config of its own type, as `oras push --config` writes it. */
export function genericArtifact(): Sample {
  const config = content('application/vnd.example.config.v1+json', { kind: 'example' });
  return sampleOf(
    artifactOf(config, [content('text/plain', 'one file\n'), content('application/json', '{"two":2}')]),
  );
}

/** An `artifactType` and the empty descriptor as config. */
export function emptyConfigArtifact(): Sample {
  return sampleOf(
    artifactOf(EMPTY, [content('text/plain', 'no config\n')], {
      artifactType: 'application/vnd.example.note',
    }),
  );
}

/** Artifacts under an index that says of what type they are together. */
export function artifactIndex(): Sample {
  const first = artifactOf(EMPTY, [content('text/plain', 'first\n')], {
    artifactType: 'application/vnd.example.part',
  });
  const second = artifactOf(EMPTY, [content('text/plain', 'second\n')], {
    artifactType: 'application/vnd.example.part',
  });
  const index = indexOf(
    OCI_INDEX,
    [
      { of: rootOf(first), artifactType: 'application/vnd.example.part' },
      { of: rootOf(second), artifactType: 'application/vnd.example.part' },
    ],
    { artifactType: 'application/vnd.example.set', annotations: { 'org.example.set': 'two parts' } },
  );
  return sampleOf([...distinct([...first, ...second]), index]);
}

export async function artifactWithSubject(): Promise<Sample> {
  const image = buildImage([await layerOf('subject')]);
  const artifact = artifactOf(EMPTY, [content('text/plain', 'about the subject\n')], {
    artifactType: 'application/vnd.example.review',
    subject: descriptor(image.manifest),
  });
  return sampleOf(artifact, contentsOf(image));
}

export function wasmModule(): Sample {
  const config = content('application/vnd.wasm.config.v0+json', {
    architecture: 'wasm',
    os: 'wasip1',
    layerDigests: [content('application/wasm', WASM_MODULE).digest],
  });
  return sampleOf(artifactOf(config, [content('application/wasm', WASM_MODULE)]));
}

/** Any file under the config of an image, as `cosign upload blob` pushes it. */
export function fileAsImage(): Sample {
  const config = content('application/vnd.oci.image.config.v1+json', {
    architecture: '',
    os: '',
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
  });
  return sampleOf(artifactOf(config, [content('text/plain', 'a file that no runtime can run\n')]));
}

/** A header as Apptainer's images begin with, and nothing behind it. */
export function sifImage(): Sample {
  const header = Buffer.alloc(128);
  header.write('#!/usr/bin/env run-singularity\n');
  header.write('SIF_MAGIC\0', 32);
  const config = content('application/vnd.sylabs.sif.config.v1+json', '{}');
  return sampleOf(artifactOf(config, [content('application/vnd.sylabs.sif.layer.v1.sif', header)]));
}

/** SOCI as version 2 has it: the index beside the image, which names it in an annotation. */
export async function sociIndex(): Promise<Sample> {
  const image = buildImage([await layerOf('soci')]);
  const [layer] = image.layers;
  const ztoc = {
    ...content('application/octet-stream', Buffer.from('a table of a layer')),
    annotations: { 'com.amazon.soci.image-layer-digest': layer?.digest ?? '' },
  };
  const type = 'application/vnd.amazon.soci.index.v2+json';
  const config = content('application/vnd.oci.image.config.v1+json', '{}');
  const soci = content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: type,
    config: { ...descriptor(config), mediaType: type },
    layers: [{ ...descriptor(ztoc), annotations: ztoc.annotations }],
  });
  const manifest = content(OCI_MANIFEST, {
    ...(JSON.parse(image.manifest.bytes.toString()) as object),
    annotations: { 'com.amazon.soci.index-digest': soci.digest },
  });
  const index = indexOf(OCI_INDEX, [
    { of: manifest, platform: { os: 'linux', architecture: 'amd64' } },
    { of: soci, artifactType: type, platform: { os: 'unknown', architecture: 'unknown' } },
  ]);
  return sampleOf([...image.layers, image.config, manifest, ztoc, config, soci, index]);
}

/** SOCI as version 1 had it: a referrer of the image. */
export async function sociReferrer(): Promise<Sample> {
  const image = buildImage([await layerOf('soci, old')]);
  const type = 'application/vnd.amazon.soci.index.v1+json';
  const config = content(type, '{}');
  const ztoc = content('application/octet-stream', Buffer.from('a table of an old layer'));
  return sampleOf(artifactOf(config, [ztoc], { subject: descriptor(image.manifest) }), contentsOf(image));
}

/** A plugin of helm 4. */
export function helmPlugin(): Sample {
  const layer = content('application/vnd.oci.image.layer.v1.tar', Buffer.alloc(1_024));
  const artifactType = 'application/vnd.helm.plugin.v1+json';
  return sampleOf(artifactOf(EMPTY, [layer], { artifactType }));
}

/** A database of Trivy as it is mirrored, with the title that Trivy asks for. */
export function trivyDatabase(name: 'db' | 'javadb'): Sample {
  const layer = content(
    `application/vnd.aquasec.trivy.${name}.layer.v1.tar+gzip`,
    gzipSync(Buffer.alloc(10_240, name)),
  );
  const config = content('application/vnd.aquasec.trivy.config.v1+json', '{}');
  const manifest = content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.aquasec.trivy.config.v1+json',
    config: descriptor(config),
    layers: [{ ...descriptor(layer), annotations: { 'org.opencontainers.image.title': `${name}.tar.gz` } }],
  });
  return sampleOf([config, layer, manifest]);
}

function rootOf(contents: readonly Content[]): Content {
  return contents[contents.length - 1] as Content;
}

function distinct(contents: readonly Content[]): Content[] {
  return [...new Map(contents.map((each) => [each.digest, each])).values()];
}
