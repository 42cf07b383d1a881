import type { OutboxEvent } from '@sluice/database';
import { subjectsToVerify } from '@sluice/domain/signature';
import type { VerdictEvents } from '@sluice/gate';
import type { EventSubscriber, JobRequest } from '@sluice/jobs';
import type { SignatureVerifier } from '@sluice/signing';

/** Kinds of artifact whose packages are inventoried; of an index the children are scanned. */
const SCANNED_KINDS = ['image'];

/** What follows from an event, one subscriber a feature: features share nothing but these. */
export function subscribers(verdictEvents: VerdictEvents, verifier: SignatureVerifier): EventSubscriber[] {
  return [scanJobs, (event) => signatureJobs(event, verifier), (event) => verdictEvents.jobsFor(event)];
}

function scanJobs(event: OutboxEvent): JobRequest[] {
  switch (event.type) {
    case 'artifact.pushed': {
      const { kind, digest, manifestId, repositoryId } = event.payload;
      if (!SCANNED_KINDS.includes(kind)) return [];
      return [{ kind: 'scan.artifact', key: digest, payload: { digest, manifestId, repositoryId } }];
    }
    case 'advisories.changed': {
      const { revision } = event.payload;
      return [{ kind: 'advisories.rematch', key: 'installation', payload: { revision } }];
    }
    default:
      return [];
  }
}

async function signatureJobs(event: OutboxEvent, verifier: SignatureVerifier): Promise<JobRequest[]> {
  switch (event.type) {
    case 'artifact.pushed':
    case 'artifact.deleted': {
      const { repositoryId } = event.payload;
      return subjectsToVerify(event.payload).map((digest) => verifyJob(repositoryId, digest));
    }
    case 'signatures.removed':
      return [verifyJob(event.payload.repositoryId, event.payload.digest)];
    case 'trust.changed': {
      const jobs: JobRequest[] = [];
      for await (const { repositoryId, digest } of verifier.subjectsUnder(event.payload.nodeId)) {
        jobs.push(verifyJob(repositoryId, digest));
      }
      return jobs;
    }
    default:
      return [];
  }
}

function verifyJob(repositoryId: string, digest: string): JobRequest {
  return { kind: 'signature.verify', key: `${repositoryId}/${digest}`, payload: { repositoryId, digest } };
}
