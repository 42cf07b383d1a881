export { SignatureContents, StoredSignatureContents } from './signature-contents.ts';
export { SignatureEvents } from './signature-events.ts';
export { SignatureSweep, SWEEP_JOB, VERIFY_JOB } from './signature-sweep.ts';
export {
  SignatureVerifier,
  type VerificationContext,
  type VerificationResult,
} from './signature-verifier.ts';
export { TrustedKeys } from './trusted-keys.ts';
