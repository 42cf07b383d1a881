export { SignatureContents, StoredSignatureContents } from './signature-contents.ts';
export { SignatureSweep, SWEEP_JOB, sweepJob, VERIFY_JOB, verifyJob } from './signature-sweep.ts';
export {
  SignatureVerifier,
  type VerificationContext,
  type VerificationResult,
} from './signature-verifier.ts';
export { TrustedKeys } from './trusted-keys.ts';
