import { type Digest, isDigest } from '@sluice/domain/oci';
import { type JobContext, type JobHandler, PermanentJobError } from '@sluice/jobs';
import type { SignatureVerifier } from '@sluice/signing';

export interface SignerDependencies {
  readonly verifier: Pick<SignatureVerifier, 'verifySubject'>;
}

/**
 * A manifest may come before its blobs (`cosign load` writes in that order). So many attempts wait for them; then what
 * is missing stays missing until something arrives.
 */
const ATTEMPTS_FOR_MISSING_CONTENT = 3;

/** The jobs that the signer runs, by kind. */
export function signerJobs({ verifier }: SignerDependencies): Readonly<Record<string, JobHandler>> {
  return {
    'signature.verify': async (payload, context) => {
      const { missing } = await verifier.verifySubject(readSubject(payload), context);
      if (missing > 0 && waitsForContent(context))
        throw new Error(`${missing} of the signatures name content that is not in the repository yet`);
    },
  };
}

function waitsForContent({ attempt }: JobContext): boolean {
  return attempt < ATTEMPTS_FOR_MISSING_CONTENT;
}

function readSubject(payload: unknown): { repositoryId: string; digest: Digest } {
  const { repositoryId, digest } = (payload ?? {}) as { repositoryId?: unknown; digest?: unknown };
  const isId =
    typeof repositoryId === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(repositoryId);
  if (!isId || typeof digest !== 'string' || !isDigest(digest))
    throw new PermanentJobError('the payload of signature.verify is not {repositoryId, digest}');
  return { repositoryId, digest };
}
