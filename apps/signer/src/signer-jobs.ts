import { type Digest, isDigest } from '@sluice/domain/oci';
import { type JobContext, type JobHandler, PermanentJobError } from '@sluice/jobs';
import { type SignatureSweep, type SignatureVerifier, SWEEP_JOB, VERIFY_JOB } from '@sluice/signing';

export interface SignerDependencies {
  readonly verifier: Pick<SignatureVerifier, 'verifySubject'>;
  readonly sweep: Pick<SignatureSweep, 'sweep'>;
}

/**
 * A manifest may come before its blobs (`cosign load` writes in that order). So many attempts wait for them; then what
 * is missing stays missing until something arrives.
 */
const ATTEMPTS_FOR_MISSING_CONTENT = 3;

/** The jobs that the signer runs, by kind. */
export function signerJobs({ verifier, sweep }: SignerDependencies): Readonly<Record<string, JobHandler>> {
  return {
    [VERIFY_JOB]: async (payload, context) => {
      const { missing } = await verifier.verifySubject(readSubject(payload), context);
      if (missing > 0 && waitsForContent(context))
        throw new Error(`${missing} of the signatures name content that is not in the repository yet`);
    },
    [SWEEP_JOB]: async (payload, context) => sweep.sweep(readNode(payload), context),
  };
}

function waitsForContent({ attempt }: JobContext): boolean {
  return attempt < ATTEMPTS_FOR_MISSING_CONTENT;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function readSubject(payload: unknown): { repositoryId: string; digest: Digest } {
  const { repositoryId, digest } = (payload ?? {}) as { repositoryId?: unknown; digest?: unknown };
  const isId = typeof repositoryId === 'string' && UUID.test(repositoryId);
  if (!isId || typeof digest !== 'string' || !isDigest(digest))
    throw new PermanentJobError(`the payload of ${VERIFY_JOB} is not {repositoryId, digest}`);
  return { repositoryId, digest };
}

function readNode(payload: unknown): string {
  const { nodeId } = (payload ?? {}) as { nodeId?: unknown };
  if (typeof nodeId === 'string' && UUID.test(nodeId)) return nodeId;
  throw new PermanentJobError(`the payload of ${SWEEP_JOB} is not {nodeId}`);
}
