import { describe, expect, it } from 'vitest';
import { claimsToHoldStatements, classify, isStatementContent } from './classify.ts';
import { EMPTY_JSON_DIGEST } from './digest.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import { DOCKER_IMAGE_CONFIG, OCI_IMAGE_CONFIG, OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST } from './media-types.ts';

const TAR = 'application/vnd.oci.image.layer.v1.tar';
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const DSSE = 'application/vnd.dsse.envelope.v1+json';
const IN_TOTO = 'application/vnd.in-toto+json';
const NOTATION = 'application/vnd.cncf.notary.signature';
const EMPTY = 'application/vnd.oci.empty.v1+json';

interface Shape {
  readonly config: string;
  readonly emptyConfig?: boolean;
  readonly layers: readonly string[];
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}

function manifestOf({ config, emptyConfig, layers, artifactType, annotations }: Shape): Manifest {
  const digest = (fill: string): string => `sha256:${fill.repeat(64)}`;
  const document = {
    schemaVersion: 2,
    mediaType: OCI_IMAGE_MANIFEST,
    config: { mediaType: config, digest: emptyConfig ? EMPTY_JSON_DIGEST : digest('c'), size: 2 },
    layers: layers.map((mediaType) => ({ mediaType, digest: digest('a'), size: 1 })),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  return parseManifest(Buffer.from(JSON.stringify(document)), null);
}

/** The kind when the content of the layers is what it says. */
const kindOf = (shape: Shape): string => classify(manifestOf(shape), true);

describe('what a container runtime could run is an image', () => {
  it.each<[string, Shape]>([
    ['an OCI image', { config: OCI_IMAGE_CONFIG, layers: [`${TAR}+gzip`] }],
    ['a zstd image', { config: OCI_IMAGE_CONFIG, layers: [`${TAR}+zstd`] }],
    [
      'a Docker image',
      { config: DOCKER_IMAGE_CONFIG, layers: ['application/vnd.docker.image.rootfs.diff.tar.gzip'] },
    ],
    [
      'foreign layers',
      { config: DOCKER_IMAGE_CONFIG, layers: ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'] },
    ],
    [
      'non-distributable layers',
      { config: OCI_IMAGE_CONFIG, layers: ['application/vnd.oci.image.layer.nondistributable.v1.tar'] },
    ],
    [
      'an image that calls itself a chart',
      { config: OCI_IMAGE_CONFIG, layers: [TAR], artifactType: 'application/vnd.cncf.helm.config.v1+json' },
    ],
    [
      'an image that calls itself a signature',
      { config: OCI_IMAGE_CONFIG, layers: [TAR], artifactType: NOTATION },
    ],
    ['image layers under another config', { config: 'application/vnd.acme.config.v1+json', layers: [TAR] }],
    [
      'an image config over layers of another type',
      { config: OCI_IMAGE_CONFIG, layers: ['application/vnd.acme.layer'] },
    ],
    ['an image config without layers', { config: OCI_IMAGE_CONFIG, layers: [] }],
    ['one image layer among signatures', { config: OCI_IMAGE_CONFIG, layers: [SIMPLE_SIGNING, TAR] }],
    [
      'one unknown layer among attestations',
      { config: OCI_IMAGE_CONFIG, layers: [IN_TOTO, 'application/x'] },
    ],
    [
      'media types in capitals, which Docker folds',
      { config: 'application/x', layers: ['Application/vnd.OCI.image.layer.v1.tar'] },
    ],
    [
      'types that Docker takes by their beginning',
      { config: 'application/x', layers: ['application/vnd.oci.image.other'] },
    ],
    [
      'a config that Docker takes as an image',
      { config: 'application/octet-stream', layers: ['application/octet-stream'] },
    ],
    [
      'an image of Apptainer, which has no config',
      {
        config: 'application/vnd.sylabs.sif.config.v1+json',
        emptyConfig: true,
        layers: ['application/vnd.sylabs.sif.layer.v1.sif'],
      },
    ],
    ['a WebAssembly module', { config: 'application/vnd.wasm.config.v0+json', layers: ['application/wasm'] }],
    [
      'the empty config called an image, over image layers',
      { config: OCI_IMAGE_CONFIG, emptyConfig: true, layers: [TAR] },
    ],
  ])('%s', (_, shape) => {
    expect(kindOf(shape)).toBe('image');
  });
});

describe('what nothing can run is', () => {
  it.each<[string, string, Shape]>([
    [
      'a legacy cosign signature',
      'signature',
      { config: OCI_IMAGE_CONFIG, layers: [SIMPLE_SIGNING, SIMPLE_SIGNING] },
    ],
    ['a legacy cosign attestation', 'attestation', { config: OCI_IMAGE_CONFIG, layers: [DSSE] }],
    ['a BuildKit attestation', 'attestation', { config: OCI_IMAGE_CONFIG, layers: [IN_TOTO, IN_TOTO] }],
    [
      'a newer BuildKit attestation',
      'attestation',
      {
        config: EMPTY,
        emptyConfig: true,
        layers: [IN_TOTO],
        artifactType: 'application/vnd.docker.attestation.manifest.v1+json',
      },
    ],
    [
      'a signature bundle',
      'signature',
      {
        config: EMPTY,
        emptyConfig: true,
        layers: [BUNDLE],
        artifactType: BUNDLE,
        annotations: { 'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1' },
      },
    ],
    [
      'an attestation bundle',
      'attestation',
      {
        config: EMPTY,
        emptyConfig: true,
        layers: [BUNDLE],
        artifactType: BUNDLE,
        annotations: { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' },
      },
    ],
    [
      'a Notation signature',
      'signature',
      { config: NOTATION, emptyConfig: true, layers: ['application/jose+json'] },
    ],
    [
      'a Helm chart',
      'artifact',
      {
        config: 'application/vnd.cncf.helm.config.v1+json',
        layers: ['application/vnd.cncf.helm.chart.content.v1.tar+gzip'],
      },
    ],
    [
      'files pushed by oras',
      'artifact',
      {
        config: EMPTY,
        emptyConfig: true,
        layers: [TAR],
        artifactType: 'application/vnd.unknown.artifact.v1',
      },
    ],
    ['an SBOM', 'artifact', { config: EMPTY, emptyConfig: true, layers: ['application/spdx+json'] }],
    [
      'the empty config called an image, without image layers',
      'artifact',
      { config: OCI_IMAGE_CONFIG, emptyConfig: true, layers: [] },
    ],
  ])('%s: %s', (_, kind, shape) => {
    expect(kindOf(shape)).toBe(kind);
  });

  it('an index, whatever is in it', () => {
    const index = { schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, artifactType: NOTATION, manifests: [] };
    expect(classify(parseManifest(Buffer.from(JSON.stringify(index)), null))).toBe('index');
  });
});

describe('layers that say they are statements', () => {
  const signature: Shape = { config: OCI_IMAGE_CONFIG, layers: [SIMPLE_SIGNING, IN_TOTO] };

  it('make an image until their content was looked at: podman unpacks whatever they hold', () => {
    expect(claimsToHoldStatements(manifestOf(signature))).toBe(true);
    expect(classify(manifestOf(signature), false)).toBe('image');
    expect(classify(manifestOf(signature), true)).toBe('signature');
  });

  it('need no look under a config that no runtime takes', () => {
    const bundle = manifestOf({ config: EMPTY, emptyConfig: true, layers: [BUNDLE] });
    expect(claimsToHoldStatements(bundle)).toBe(false);
    expect(classify(bundle, false)).toBe('signature');
  });

  it.each(['text/spdx+json', 'application/vnd.cyclonedx+json', 'application/vnd.syft+json'])(
    'may be SBOMs, which cosign pushes with the config of an image: %s',
    (mediaType) => {
      const sbom = manifestOf({ config: OCI_IMAGE_CONFIG, layers: [mediaType] });
      expect(claimsToHoldStatements(sbom)).toBe(true);
      expect(classify(sbom, false)).toBe('image');
      expect(classify(sbom, true)).toBe('artifact');
    },
  );

  it('prove nothing about layers of another type beside them', () => {
    const mixed = manifestOf({ config: OCI_IMAGE_CONFIG, layers: [IN_TOTO, TAR] });
    expect(claimsToHoldStatements(mixed)).toBe(false);
    expect(classify(mixed, true)).toBe('image');
  });

  it.each<[string, string | Buffer, boolean]>([
    ['an in-toto statement', '{"_type":"https://in-toto.io/Statement/v1"}\n', true],
    ['an array', '[]', false],
    ['nothing', '', false],
    ['text', 'hello', false],
    ['a gzip file', Buffer.from([0x1f, 0x8b, 8, 0]), false],
    ['JSON with a zero byte behind it', '{}\0', false],
    ['a name as tar archives begin', `{"a":"${'x'.repeat(90)}"}\0\0\0\0`, false],
    ['what is not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), false],
  ])('%s is a statement: %s', async (_, content, expected) => {
    expect(await isStatementContent([Buffer.from(content)])).toBe(expected);
  });
});
