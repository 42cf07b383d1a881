import {
  checkMediaType,
  type Descriptor,
  invalid,
  parseAnnotations,
  parseArtifactType,
  parseDescriptor,
  refuseCaseVariants,
} from './descriptor.ts';
import { OciError } from './errors.ts';
import {
  isIndexMediaType,
  isManifestMediaType,
  MANIFEST_MEDIA_TYPES,
  type ManifestMediaType,
  mediaTypeOf,
} from './media-types.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseStrictJson } from './strict-json.ts';

/** distribution-spec, "Pushing Manifests": at least 4 megabytes must be accepted. */
export const MANIFEST_SIZE_MAX = 4 * 1024 * 1024;
/** Layers of a manifest or children of an index. No runtime takes more than a few hundred. */
export const MANIFEST_DESCRIPTORS_MAX = 10_000;

interface ManifestCommon {
  readonly mediaType: ManifestMediaType;
  /**
   * As the referrers API reports it: the manifest's own, else for an image manifest the media type of its config,
   * else null (distribution-spec, "Listing Referrers").
   */
  readonly artifactType: string | null;
  readonly subject: Descriptor | null;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageManifest extends ManifestCommon {
  readonly form: 'image';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex extends ManifestCommon {
  readonly form: 'index';
  readonly manifests: readonly Descriptor[];
}

/** A manifest that was understood. Fields that Sluice does not know stay in the bytes, which are kept as they came. */
export type Manifest = ImageManifest | ImageIndex;

const MANIFEST_KEYS = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'subject',
  'annotations',
];

/**
 * Parses an OCI image manifest or index, or Docker's schema 2 forms of them.
 *
 * @param contentType the Content-Type it was pushed with, parameters allowed; null when none was given
 * @throws OciError MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_TOO_LARGE
 */
export function parseManifest(bytes: Uint8Array, contentType: string | null): Manifest {
  if (bytes.length > MANIFEST_SIZE_MAX) {
    throw new OciError(
      'MANIFEST_TOO_LARGE',
      `the manifest is larger than ${MANIFEST_SIZE_MAX} bytes, the most that is accepted`,
    );
  }
  const announced = contentType === null ? null : mediaTypeOf(contentType);
  refuseSchema1(announced);
  const document = parseStrictJson(bytes);
  if (!isJsonObject(document)) throw invalid('expected an object');
  refuseCaseVariants(document, MANIFEST_KEYS, 'the manifest');
  if (document['schemaVersion'] === 1) refuseSchema1('application/vnd.docker.distribution.manifest.v1+json');
  if (document['schemaVersion'] !== 2) throw invalid('schemaVersion must be 2');

  const mediaType = resolveMediaType(announced, document['mediaType']);
  const common = {
    mediaType,
    subject:
      document['subject'] === undefined || document['subject'] === null
        ? null
        : parseDescriptor(document['subject'], 'subject'),
    annotations: parseAnnotations(document['annotations'], 'the manifest'),
  };
  const artifactType = parseArtifactType(document['artifactType'], 'the manifest');
  if (isIndexMediaType(mediaType)) {
    refuseKeys(document, ['config', 'layers'], 'an index');
    return {
      form: 'index',
      ...common,
      artifactType,
      manifests: parseDescriptors(document['manifests'], 'manifests'),
    };
  }
  refuseKeys(document, ['manifests'], 'an image manifest');
  const config = parseDescriptor(document['config'], 'config');
  return {
    form: 'image',
    ...common,
    artifactType: artifactType ?? config.mediaType,
    config,
    layers: parseDescriptors(document['layers'], 'layers'),
  };
}

/**
 * The Content-Type decides, and the document must not contradict it: a client that trusts the other of the two would
 * read another manifest (image-spec, "mediaType"; CVE-2021-41190).
 */
function resolveMediaType(announced: string | null, own: JsonValue | undefined): ManifestMediaType {
  if (own !== undefined && own !== null && own !== '') {
    if (typeof own !== 'string') throw invalid('mediaType must be a string');
    checkMediaType(own, 'mediaType');
    if (announced !== null && announced !== own) {
      throw invalid(`mediaType "${own}" contradicts the Content-Type "${announced.slice(0, 80)}"`);
    }
    announced = own;
  }
  if (announced === null || !isManifestMediaType(announced)) {
    throw invalid(
      `media type "${(announced ?? '').slice(0, 80)}" is none of a manifest: expected ${MANIFEST_MEDIA_TYPES.join(', ')}`,
    );
  }
  return announced;
}

function refuseSchema1(mediaType: string | null): void {
  if (mediaType?.startsWith('application/vnd.docker.distribution.manifest.v1+') === true) {
    throw invalid('schema 1 manifests are not supported: push schema 2 or OCI');
  }
}

/** image-spec, "Image Index": a document that is both an index and an image must be refused. */
function refuseKeys(document: JsonObject, keys: readonly string[], what: string): void {
  for (const key of keys) {
    if (document[key] !== undefined) throw invalid(`${what} must not have "${key}"`);
  }
}

/** Go writes an empty list as null. */
function parseDescriptors(value: JsonValue | undefined, where: string): readonly Descriptor[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${where} must be an array of descriptors`);
  if (value.length > MANIFEST_DESCRIPTORS_MAX) {
    throw invalid(`${where} has ${value.length} entries; at most ${MANIFEST_DESCRIPTORS_MAX} are accepted`);
  }
  return value.map((entry: JsonValue, position) => parseDescriptor(entry, `${where}[${position}]`));
}
