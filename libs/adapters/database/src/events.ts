/** What consumers of the outbox get, by type. Every payload is JSON and complete enough to act on without a look back. */
export interface EventPayloads {
  'artifact.pushed': {
    manifestId: string;
    repositoryId: string;
    repository: string;
    projectId: string;
    digest: string;
    kind: string;
    mediaType: string;
    subjectDigest: string | null;
    tags: string[];
  };
  'artifact.deleted': {
    repositoryId: string;
    repository: string;
    projectId: string;
    digest: string;
    subjectDigest: string | null;
  };
  /** An index is gone; what it named lies no longer under its signatures. Rows of `manifest` that may be gone too. */
  'children.released': { manifestIds: string[] };
  'evidence.changed': { digest: string; repositoryId: string | null };
  'policy.changed': { nodeId: string | null };
  'trust.changed': { nodeId: string };
  /** The tag with the legacy signatures of `digest` is gone. Its setting is an `artifact.pushed`. */
  'signatures.removed': { repositoryId: string; digest: string };
  'advisories.changed': { revision: number };
  /** A job ended for good, however it ended. Not written for kinds whose end nobody waits for. */
  'job.finished': { jobId: string; kind: string; key: string; state: string };
  'verdict.changed': { manifestId: string; repositoryId: string; digest: string; state: string };
}

export type EventType = keyof EventPayloads;

/** One row of the outbox. Consumers may see it more than once and must be idempotent by `id`. */
export type OutboxEvent = {
  [Type in EventType]: { seq: number; id: string; type: Type; subject: string; payload: EventPayloads[Type] };
}[EventType];
