export { SluiceError } from '../errors.ts';
export { BUNDLE_MEDIA_TYPE, type SignedEnvelope, buildBundle, parseBundle } from './bundle.ts';
export {
  OCI_MANIFEST_MEDIA_TYPE,
  type SignatureDescriptor,
  buildBundleManifest,
  findBundleLayer,
} from './bundle-manifest.ts';
export {
  KeyError,
  type KeyErrorCode,
  type Rejection,
  type RejectionCode,
  SignatureRejected,
  TrustError,
  type TrustErrorCode,
} from './errors.ts';
export { type KeyFileRandomness, type SigningKey, openKeyFile, sealKeyFile } from './key-file.ts';
export {
  LEGACY_SIGNATURE_ANNOTATION,
  type LegacyManifest,
  type LegacySignatureLayer,
  appendLegacySignature,
  parseLegacyManifest,
} from './legacy-manifest.ts';
export { LIMITS } from './limits.ts';
export { type KeyAlgorithm, type PublicKey, keyHint, parsePublicKey } from './public-key.ts';
export { parseTrustedKeyName } from './trusted-key-name.ts';
export {
  SIMPLE_SIGNING_MEDIA_TYPE,
  type SimpleSigning,
  buildSimpleSigning,
  parseSimpleSigning,
} from './simple-signing.ts';
export { formatSignatureTag, parseSignatureTag } from './signature-tag.ts';
export {
  IMAGE_SIGNATURE_PREDICATE,
  IN_TOTO_PAYLOAD_TYPE,
  type Statement,
  buildImageStatement,
  parseStatement,
  preAuthEncoding,
} from './statement.ts';
export { type ContentChange, subjectsToVerify } from './subjects.ts';
export {
  type SignatureCheck,
  type TrustedPublicKey,
  checkBundleSignature,
  checkLegacySignature,
  rejectedCheck,
  toSignatureEvidence,
} from './verify.ts';
