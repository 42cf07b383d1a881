import type { JobRequest, OutboxEvent, SignatureStore } from '@sluice/database';
import { type Digest, digestAlgorithm } from '@sluice/domain/oci';
import { formatSignatureTag, subjectsToVerify } from '@sluice/domain/signature';
import { sweepJob, verifyJob } from './signature-sweep.ts';

/** Tells whose signatures an event may have changed, as jobs that check them. */
export class SignatureEvents {
  readonly #signatures: Pick<SignatureStore, 'maySign'>;

  constructor(signatures: Pick<SignatureStore, 'maySign'>) {
    this.#signatures = signatures;
  }

  /** The subscriber for the outbox relay. */
  async jobsFor(event: OutboxEvent): Promise<JobRequest[]> {
    switch (event.type) {
      case 'artifact.pushed':
      case 'artifact.deleted': {
        const { repositoryId, digest: own } = event.payload;
        const subjects: Digest[] = [];
        for (const digest of subjectsToVerify(event.payload)) {
          // Most images are signed after they were pushed, and that is another event.
          if (digest !== own || (await this.#mayBeSigned(repositoryId, digest))) subjects.push(digest);
        }
        return subjects.map((digest) => verifyJob({ repositoryId, digest }));
      }
      case 'signatures.removed':
        return [verifyJob(event.payload)];
      case 'trust.changed':
        return [sweepJob(event.payload.nodeId)];
      default:
        return [];
    }
  }

  #mayBeSigned(repositoryId: string, digest: Digest): Promise<boolean> {
    const tag = digestAlgorithm(digest) === 'sha256' ? formatSignatureTag(digest) : null;
    return this.#signatures.maySign({ repositoryId, digest }, tag);
  }
}
