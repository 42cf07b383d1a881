import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from './digest.ts';
import { OciError } from './errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './strict-json.ts';

/** Points at content: media type, digest, size in bytes (image-spec, "Content Descriptors"). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType: string | null;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where non-distributable content can be fetched. */
  readonly urls: readonly string[];
  /** Only of the children of an index. */
  readonly platform: Platform | null;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
  readonly osVersion: string | null;
}

/** RFC 6838, 4.2; parameters are not part of it. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** What of a descriptor Sluice or a client acts on; a key that differs from one of these by case alone is refused. */
const DESCRIPTOR_KEYS = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'artifactType',
  'platform',
];

/**
 * @param where how a message names the place, e.g. `layers[3]`
 * @throws OciError MANIFEST_INVALID, DIGEST_INVALID
 */
export function parseDescriptor(value: JsonValue | undefined, where: string): Descriptor {
  if (!isJsonObject(value)) throw invalid(`${where} must be a descriptor, an object`);
  refuseCaseVariants(value, DESCRIPTOR_KEYS, where);
  const mediaType = value['mediaType'];
  if (typeof mediaType !== 'string') throw invalid(`${where}.mediaType must be a string`);
  const size = value['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}.size must be a whole number of bytes, 0 or more`);
  }
  const digestText = value['digest'];
  if (typeof digestText !== 'string') throw invalid(`${where}.digest must be a string`);
  const digest = parseDigest(digestText);
  checkData(value['data'], digest, size, where);
  return {
    mediaType: checkMediaType(mediaType, `${where}.mediaType`),
    digest,
    size,
    artifactType: parseArtifactType(value['artifactType'], where),
    annotations: parseAnnotations(value['annotations'], where),
    urls: parseUrls(value['urls'], where),
    platform: parsePlatform(value['platform'], where),
  };
}

/** @throws OciError MANIFEST_INVALID */
export function checkMediaType(text: string, where: string): string {
  if (!MEDIA_TYPE.test(text)) {
    throw invalid(`${where} "${text.slice(0, 80)}" is not a media type: expected <type>/<subtype>`);
  }
  return text;
}

/** Absent and empty mean the same. */
export function parseArtifactType(value: JsonValue | undefined, where: string): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string') throw invalid(`${where}.artifactType must be a string`);
  return checkMediaType(value, `${where}.artifactType`);
}

export function parseAnnotations(
  value: JsonValue | undefined,
  where: string,
): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (!isJsonObject(value)) throw invalid(`${where}.annotations must be an object of strings`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw invalid(`${where}.annotations: the value of "${key.slice(0, 80)}" must be a string`);
    }
  }
  return value as Readonly<Record<string, string>>;
}

/**
 * Clients written in Go match keys without regard to case, so that `Layers` would be layers to them and nothing to
 * us. Upper-casing first folds the two letters (U+017F, U+212A) that Go folds into ASCII.
 */
export function refuseCaseVariants(object: JsonObject, known: readonly string[], where: string): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    const folded = key.toUpperCase().toLowerCase();
    const meant = known.find((candidate) => candidate.toLowerCase() === folded);
    if (meant !== undefined) {
      throw invalid(`${where} has the key "${key}", which some clients read as "${meant}": write "${meant}"`);
    }
  }
}

export function invalid(message: string): OciError {
  return new OciError('MANIFEST_INVALID', `invalid manifest: ${message}`);
}

/** Embedded content must be the content that the digest names: clients use it without fetching (image-spec). */
function checkData(value: JsonValue | undefined, digest: Digest, size: number, where: string): void {
  if (value === undefined || value === null) return;
  if (typeof value !== 'string') throw invalid(`${where}.data must be a base64 string`);
  const bytes = Buffer.from(value, 'base64');
  const actual = createHash(digestAlgorithm(digest)).update(bytes).digest('hex');
  if (bytes.length !== size || actual !== digestHex(digest)) {
    throw invalid(`${where}.data is not the content that its digest and size name`);
  }
}

function parseUrls(value: JsonValue | undefined, where: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((url) => typeof url === 'string')) {
    throw invalid(`${where}.urls must be an array of strings`);
  }
  return value as readonly string[];
}

function parsePlatform(value: JsonValue | undefined, where: string): Platform | null {
  if (value === undefined || value === null) return null;
  if (!isJsonObject(value)) throw invalid(`${where}.platform must be an object`);
  const text = (key: string): string | null => {
    const part = value[key];
    if (part === undefined || part === null || part === '') return null;
    if (typeof part !== 'string') throw invalid(`${where}.platform["${key}"] must be a string`);
    return part;
  };
  return {
    os: text('os') ?? 'unknown',
    architecture: text('architecture') ?? 'unknown',
    variant: text('variant'),
    osVersion: text('os.version'),
  };
}
