import type { ConfigOf, Logger } from '@sluice/platform';
import {
  type Part,
  type Runtime,
  type RunningProcess,
  sharedProcessSettings,
  startSharedProcess,
} from '@sluice/runtime';
import { SignatureSweep, SignatureVerifier, StoredSignatureContents } from '@sluice/signing';
import { signerJobs } from './signer-jobs.ts';

/** Settings of the signer as a process of its own. */
export const signerSettings = sharedProcessSettings;

/** The signer as a process of its own. It answers nothing but questions after its health. */
export function startSigner(
  config: ConfigOf<typeof signerSettings>,
  logger: Logger,
): Promise<RunningProcess> {
  return startSharedProcess({ name: 'signer', servesPulls: false, wire: signerPart }, config, logger);
}

/** Verification of what was signed. */
export function signerPart({ stores, blobs }: Runtime): Part {
  const verifier = new SignatureVerifier(
    stores.signatures,
    stores.trustedKeys,
    new StoredSignatureContents(stores.signatures, blobs),
    stores.evidence,
    () => new Date(),
  );
  return {
    work: {
      handlers: signerJobs({ verifier, sweep: new SignatureSweep(stores.signatures, stores.jobs) }),
      concurrency: { 'signature.verify': 2 },
    },
  };
}
