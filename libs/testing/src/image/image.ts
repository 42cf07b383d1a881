import { type Layer, sha256 } from './layer.ts';

/** Bytes with what a descriptor says of them. */
export interface Content {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** An image as it is pushed: blobs first, then the manifest. */
export interface Image {
  readonly manifest: Content;
  readonly config: Content;
  readonly layers: readonly Layer[];
}

export interface ImageOptions {
  readonly architecture?: string;
  /** Command that the image runs. */
  readonly command?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Puts layers together to an OCI image with a valid config. */
export function buildImage(layers: readonly Layer[], options: ImageOptions = {}): Image {
  const config = json('application/vnd.oci.image.config.v1+json', {
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    config: { Cmd: options.command ?? ['/bin/sh'], Labels: options.labels ?? {} },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
  });
  const manifest = json('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, config, layers };
}

/** An image index over images that are pushed by digest. */
export function buildIndex(children: readonly { image: Image; architecture: string }[]): Content {
  return json('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: children.map(({ image, architecture }) => ({
      ...descriptor(image.manifest),
      platform: { os: 'linux', architecture },
    })),
  });
}

export function descriptor(content: { mediaType: string; digest: string; bytes: Buffer }): {
  mediaType: string;
  digest: string;
  size: number;
} {
  return { mediaType: content.mediaType, digest: content.digest, size: content.bytes.length };
}

function json(mediaType: string, value: unknown): Content {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, mediaType, digest: sha256(bytes) };
}
