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
