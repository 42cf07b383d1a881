export { SignatureContents, StoredSignatureContents } from './signature-contents.ts';
export {
  SignatureVerifier,
  type VerificationContext,
  type VerificationResult,
} from './signature-verifier.ts';
export { TrustedKeys } from './trusted-keys.ts';
