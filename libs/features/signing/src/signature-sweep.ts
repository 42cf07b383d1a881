import type { JobLedger, JobRequest, SignatureStore, SignedSubject } from '@sluice/database';

export const VERIFY_JOB = 'signature.verify';
export const SWEEP_JOB = 'signature.sweep';

/** How many subjects a sweep queues in one transaction. */
const SWEEP_BATCH = 500;

/** Has signatures checked again when the keys change by which they count. */
export class SignatureSweep {
  readonly #signatures: SignatureStore;
  readonly #ledger: JobLedger;

  constructor(signatures: SignatureStore, ledger: JobLedger) {
    this.#signatures = signatures;
    this.#ledger = ledger;
  }

  /**
   * Queues the verification of everything below a node that has signatures, in batches. What is signed meanwhile has
   * its own event.
   *
   * @param context told how many subjects were queued so far
   */
  async sweep(
    nodeId: string,
    context: {
      readonly signal: AbortSignal;
      readonly progress: (done: number, total: number | null, unit: string) => void;
    },
  ): Promise<void> {
    let after: SignedSubject | null = null;
    let done = 0;
    do {
      context.signal.throwIfAborted();
      const page: SignedSubject[] = await this.#signatures.listSubjects(nodeId, {
        after,
        limit: SWEEP_BATCH,
      });
      await this.#ledger.enqueue(page.map(verifyJob));
      done += page.length;
      context.progress(done, null, 'subjects');
      after = page.length < SWEEP_BATCH ? null : (page.at(-1) ?? null);
    } while (after !== null);
  }
}

export function verifyJob({ repositoryId, digest }: { repositoryId: string; digest: string }): JobRequest {
  return { kind: VERIFY_JOB, key: `${repositoryId}/${digest}`, payload: { repositoryId, digest } };
}

/** One sweep of a node at a time; while one runs, another may wait. */
export function sweepJob(nodeId: string): JobRequest {
  return { kind: SWEEP_JOB, key: nodeId, payload: { nodeId } };
}
