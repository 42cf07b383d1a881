export { SluiceError } from '../errors.ts';
export { OciError, type OciErrorCode } from './errors.ts';
export {
  type Digest,
  type DigestAlgorithm,
  EMPTY_JSON_DIGEST,
  digestAlgorithm,
  digestHex,
  isDigest,
  isDigestAlgorithm,
  parseDigest,
} from './digest.ts';
export {
  REPOSITORY_NAME_MAX,
  type RepositoryName,
  type Tag,
  isRepositoryName,
  isTag,
  parseRepositoryName,
  parseTag,
} from './names.ts';
export { type ArtifactKind, claimsToHoldStatements, classify, isStatementContent } from './classify.ts';
export type { Descriptor, Platform } from './descriptor.ts';
export {
  type ImageIndex,
  type ImageManifest,
  type Manifest,
  MANIFEST_DESCRIPTORS_MAX,
  MANIFEST_SIZE_MAX,
  parseManifest,
} from './manifest.ts';
export {
  DOCKER_IMAGE_CONFIG,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isIndexMediaType,
  isManifestMediaType,
  isNonDistributableLayer,
  MANIFEST_MEDIA_TYPES,
  type ManifestMediaType,
  mediaTypeOf,
  OCI_IMAGE_CONFIG,
  OCI_IMAGE_INDEX,
  OCI_IMAGE_MANIFEST,
} from './media-types.ts';
export { type DistributionPath, parseDistributionPath, parseReference, type Reference } from './path.ts';
export { type ByteRange, parseContentRange, parseRange, type RangeRequest, RANGES_MAX } from './range.ts';
export { referrersTag } from './referrers-tag.ts';
export { parseStrictJson } from './strict-json.ts';
