import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, type Content, descriptor, type Image, type Layer, sha256 } from '@sluice/testing';
import { assert, assertEqual } from '../checklist.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const EMPTY = content('application/vnd.oci.empty.v1+json', '{}');

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly urls?: readonly string[];
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An artifact of one kind, as it is pushed and has to come back. */
export interface Sample {
  /** The manifest that the tag names. */
  readonly root: Content;
  /** Everything that has to be in the registry: blobs first, each manifest after what it names. */
  readonly contents: readonly Content[];
  /** What a layout must hold besides, because a client reads it there: a subject. */
  readonly beside?: readonly Content[];
}

export function content(mediaType: string, value: unknown): Content {
  const bytes = Buffer.isBuffer(value)
    ? value
    : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return { bytes, mediaType, digest: sha256(bytes) };
}

export function sampleOf(contents: readonly Content[], beside: readonly Content[] = []): Sample {
  const root = contents.at(-1);
  assert(root !== undefined, 'a sample has a root');
  return { root, contents, beside };
}

/** An image with its blobs, in the order in which they are pushed. */
export function contentsOf(image: Image): Content[] {
  return [...image.layers, image.config, image.manifest];
}

/** The same image with other media types, as Docker has them for what OCI names differently. */
export function dockerImage(layers: readonly Layer[], architecture = 'amd64'): Content[] {
  const { config } = buildImage(layers, { architecture });
  const dockerConfig = content('application/vnd.docker.container.image.v1+json', config.bytes);
  const dockerLayers = layers.map((layer) =>
    content('application/vnd.docker.image.rootfs.diff.tar.gzip', layer.bytes),
  );
  const manifest = content(DOCKER_MANIFEST, {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: descriptor(dockerConfig),
    layers: dockerLayers.map(descriptor),
  });
  return [...dockerLayers, dockerConfig, manifest];
}

/** An index or a list; `children` come with what their descriptors say besides. */
export function indexOf(
  mediaType: string,
  children: readonly (Omit<Descriptor, 'mediaType' | 'digest' | 'size'> & { readonly of: Content })[],
  more: Record<string, unknown> = {},
): Content {
  const manifests = children.map(({ of, ...rest }) => ({ ...descriptor(of), ...rest }));
  return content(mediaType, { schemaVersion: 2, mediaType, ...more, manifests });
}

/** An artifact that is no image: any config and layers under an image manifest. */
export function artifactOf(
  config: Content,
  layers: readonly Content[],
  more: Record<string, unknown> = {},
): Content[] {
  const manifest = content(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    ...more,
    config: descriptor(config),
    layers: layers.map((layer, at) => ({
      ...descriptor(layer),
      annotations: { 'org.opencontainers.image.title': `file-${at}` },
    })),
  });
  return [config, ...layers.filter(({ digest }) => digest !== config.digest), manifest];
}

/** Writes a sample as an OCI image layout in which the tag `v1` names its root. */
export function writeLayout(path: string, { root, contents, beside = [] }: Sample): string {
  const blobs = join(path, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const { digest, bytes } of [...contents, ...beside]) writeFileSync(join(blobs, hex(digest)), bytes);
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const named = { ...descriptor(root), annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
  writeFileSync(
    join(path, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [named] }),
  );
  return path;
}

/** Writes a sample as the directory of `dir:`, the only transport of skopeo that keeps every media type. */
export function writeDirectory(path: string, { root, contents }: Sample): string {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'version'), 'Directory Transport Version: 1.1\n');
  for (const each of contents) {
    const isManifest = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].includes(each.mediaType);
    const name = each === root ? 'manifest.json' : `${hex(each.digest)}${isManifest ? '.manifest.json' : ''}`;
    writeFileSync(join(path, name), each.bytes);
  }
  return path;
}

/** The layout that a client pulled names the root with its media type and holds every byte of the sample. */
export function expectLayout(path: string, sample: Sample): void {
  const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  // Some clients list the children in it as well.
  const named = index.manifests.find(({ digest }) => digest === sample.root.digest);
  assert(named !== undefined, `the pulled layout does not name ${sample.root.digest}`);
  assertEqual(named.mediaType, sample.root.mediaType, 'media type of the pulled root');
  for (const { digest, bytes } of sample.contents) {
    const found = readFileSync(join(path, 'blobs', 'sha256', hex(digest)));
    assert(found.equals(bytes), `${digest} was pulled with other bytes`);
  }
}

/** The same for a directory of `dir:`. */
export function expectDirectory(path: string, sample: Sample): void {
  const digests = new Set(readdirSync(path).map((name) => sha256(readFileSync(join(path, name)))));
  assertEqual(sha256(readFileSync(join(path, 'manifest.json'))), sample.root.digest, 'pulled root');
  for (const { digest } of sample.contents) assert(digests.has(digest), `${digest} was not pulled`);
}

export function hex(digest: string): string {
  return digest.slice('sha256:'.length);
}
