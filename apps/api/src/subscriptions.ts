import type { OutboxEvent } from '@sluice/database';
import { subjectsToVerify } from '@sluice/domain/signature';
import type { VerdictEvents } from '@sluice/gate';
import type { EventSubscriber, JobRequest } from '@sluice/jobs';
import { sweepJob, verifyJob } from '@sluice/signing';

/** Kinds of artifact whose packages are inventoried; of an index the children are scanned. */
const SCANNED_KINDS = ['image'];

/** What follows from an event, one subscriber a feature: features share nothing but these. */
export function subscribers(verdictEvents: VerdictEvents): EventSubscriber[] {
  return [scanJobs, signatureJobs, (event) => verdictEvents.jobsFor(event)];
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

function signatureJobs(event: OutboxEvent): JobRequest[] {
  switch (event.type) {
    case 'artifact.pushed':
    case 'artifact.deleted': {
      const { repositoryId } = event.payload;
      return subjectsToVerify(event.payload).map((digest) => verifyJob({ repositoryId, digest }));
    }
    case 'signatures.removed':
      return [verifyJob(event.payload)];
    case 'trust.changed':
      return [sweepJob(event.payload.nodeId)];
    default:
      return [];
  }
}
