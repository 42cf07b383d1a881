import type { OutboxEvent } from '@sluice/database';
import type { VerdictEvents } from '@sluice/gate';
import type { EventSubscriber, JobRequest } from '@sluice/jobs';
import type { SignatureEvents } from '@sluice/signing';

/** Kinds of artifact whose packages are inventoried; of an index the children are scanned. */
const SCANNED_KINDS = ['image'];

/** What follows from an event, one subscriber a feature: features share nothing but these. */
export function subscribers(
  signatureEvents: SignatureEvents,
  verdictEvents: VerdictEvents,
): EventSubscriber[] {
  return [scanJobs, (event) => signatureEvents.jobsFor(event), (event) => verdictEvents.jobsFor(event)];
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
