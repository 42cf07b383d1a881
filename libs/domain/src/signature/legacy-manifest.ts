import { createHash } from 'node:crypto';
import type { Digest } from '../oci/digest.ts';
import { SignatureRejected } from './errors.ts';
import { type JsonObject, JsonShape } from './json-shape.ts';
import { LIMITS } from './limits.ts';
import { OCI_MANIFEST_MEDIA_TYPE } from './bundle-manifest.ts';
import { SIMPLE_SIGNING_MEDIA_TYPE } from './simple-signing.ts';

export const LEGACY_SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

const CONFIG_MEDIA_TYPE = 'application/vnd.oci.image.config.v1+json';
/** COSIGN_DOCKER_MEDIA_TYPES=1 makes cosign write this for registries that know no OCI types. */
const DOCKER_MANIFEST_MEDIA_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
/** No clock: cosign writes the zero time too, so that equal signatures make equal configs. */
const ZERO_TIME = '0001-01-01T00:00:00Z';

/** One layer of a `.sig` manifest. */
export interface LegacySignatureLayer {
  readonly mediaType: string;
  readonly payload: { readonly digest: Digest; readonly size: number };
  /** Base64 as found; null when the annotation is missing. */
  readonly signature: string | null;
}

/** A manifest and the config it names, both to be pushed as they are. */
export interface LegacyManifest {
  readonly manifest: Buffer;
  readonly config: Buffer;
}

/**
 * Parses the manifest behind a `.sig` tag.
 *
 * @throws SignatureRejected content-too-large, manifest-malformed, limit (over 1000 layers)
 */
export function parseLegacyManifest(bytes: Uint8Array): readonly LegacySignatureLayer[] {
  const shape = manifestShape();
  return readLayers(shape, shape.parse(bytes, LIMITS.manifestBytes)).map((layer, index) => {
    const path = `layers[${index}]`;
    const annotations = shape.object(layer['annotations'] ?? {}, `${path}.annotations`);
    const signature = annotations[LEGACY_SIGNATURE_ANNOTATION];
    return {
      mediaType: shape.string(layer['mediaType'], `${path}.mediaType`),
      payload: {
        digest: shape.digest(layer['digest'], `${path}.digest`),
        size: shape.size(layer['size'], `${path}.size`),
      },
      signature: signature === undefined ? null : shape.string(signature, `${path}.annotations`),
    };
  });
}

/**
 * The `.sig` manifest with one more signature.
 *
 * @param existing the manifest that the tag names now, whose layers stay as they are; null for the first signature
 * @throws SignatureRejected as {@link parseLegacyManifest}; limit when the manifest is full
 */
export function appendLegacySignature(
  existing: Uint8Array | null,
  payload: Uint8Array,
  signature: Uint8Array,
): LegacyManifest {
  const shape = manifestShape();
  const before = existing === null ? [] : readLayers(shape, shape.parse(existing, LIMITS.manifestBytes));
  if (before.length >= LIMITS.legacyLayers) {
    throw new SignatureRejected(
      'limit',
      `the tag already holds ${before.length} signatures, cosign reads at most ${LIMITS.legacyLayers}`,
    );
  }
  const layers = [
    ...before,
    {
      mediaType: SIMPLE_SIGNING_MEDIA_TYPE,
      size: payload.byteLength,
      digest: sha256(payload),
      annotations: { [LEGACY_SIGNATURE_ANNOTATION]: Buffer.from(signature).toString('base64') },
    },
  ];
  const config = encode({
    architecture: '',
    created: ZERO_TIME,
    history: layers.map(() => ({ created: ZERO_TIME })),
    os: '',
    // Payloads are stored as they are, so that the digest of a layer is its DiffID.
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer['digest']) },
    config: {},
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST_MEDIA_TYPE,
    config: { mediaType: CONFIG_MEDIA_TYPE, size: config.byteLength, digest: sha256(config) },
    layers,
  });
  return { manifest, config };
}

function manifestShape(): JsonShape {
  return new JsonShape('manifest-malformed', 'signature manifest');
}

function readLayers(shape: JsonShape, root: JsonObject): readonly JsonObject[] {
  const mediaType = root['mediaType'] ?? OCI_MANIFEST_MEDIA_TYPE;
  if (mediaType !== OCI_MANIFEST_MEDIA_TYPE && mediaType !== DOCKER_MANIFEST_MEDIA_TYPE)
    shape.fail('a signature is kept in an image manifest, not in an index');
  return shape
    .array(root['layers'], 'layers', LIMITS.legacyLayers)
    .map((layer, index) => shape.object(layer, `layers[${index}]`));
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}
