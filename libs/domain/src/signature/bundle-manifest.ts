import { createHash } from 'node:crypto';
import { type Digest, EMPTY_JSON_DIGEST } from '../oci/digest.ts';
import { BUNDLE_MEDIA_TYPE } from './bundle.ts';
import { JsonShape } from './json-shape.ts';
import { LIMITS } from './limits.ts';
import { IMAGE_SIGNATURE_PREDICATE } from './statement.ts';

export const OCI_MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

const EMPTY_MEDIA_TYPE = 'application/vnd.oci.empty.v1+json';
/** What readers look at is the type of the layer; the artifactType may say anything (cosign, GetBundles). */
const BUNDLE_PREFIX = 'application/vnd.dev.sigstore.bundle';

/** A content descriptor as signatures need it. */
export interface SignatureDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * The bundle that a referrer carries: its single layer when that is of a bundle's media type, null for every other
 * referrer (SBOMs, other signature systems, an index).
 *
 * @throws SignatureRejected manifest-malformed when it claims to carry a bundle and is broken
 */
export function findBundleLayer(manifest: Uint8Array): SignatureDescriptor | null {
  const shape = new JsonShape('manifest-malformed', 'bundle manifest');
  const root = shape.parse(manifest, LIMITS.manifestBytes);
  const { layers } = root;
  if (!Array.isArray(layers) || layers.length !== 1) return null;
  const layer = shape.object(layers[0], 'layers[0]');
  const mediaType = layer['mediaType'];
  if (typeof mediaType !== 'string' || !mediaType.startsWith(BUNDLE_PREFIX)) return null;
  return {
    mediaType,
    digest: shape.digest(layer['digest'], 'layers[0].digest'),
    size: shape.size(layer['size'], 'layers[0].size'),
  };
}

/**
 * The referrer manifest of a signature bundle, as cosign 3 writes it (cosign, BUNDLE_SPEC). Pushed by its digest; the
 * empty config blob `{}` must be in the repository.
 */
export function buildBundleManifest(
  subject: SignatureDescriptor,
  bundle: Uint8Array,
  createdAt: Date,
): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST_MEDIA_TYPE,
      artifactType: BUNDLE_MEDIA_TYPE,
      config: { mediaType: EMPTY_MEDIA_TYPE, digest: EMPTY_JSON_DIGEST, size: 2 },
      layers: [
        {
          mediaType: BUNDLE_MEDIA_TYPE,
          digest: `sha256:${createHash('sha256').update(bundle).digest('hex')}`,
          size: bundle.byteLength,
        },
      ],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      annotations: {
        'dev.sigstore.bundle.content': 'dsse-envelope',
        'dev.sigstore.bundle.predicateType': IMAGE_SIGNATURE_PREDICATE,
        'org.opencontainers.image.created': createdAt.toISOString().replace(/\.\d+Z$/, 'Z'),
      },
    }),
  );
}
