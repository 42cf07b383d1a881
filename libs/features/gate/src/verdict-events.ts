import type { EventPayloads, OutboxEvent, VerdictStore } from '@sluice/database';
import type { JobRequest } from '@sluice/jobs';
import { evaluateJob, sweepJob } from './verdicts.ts';

/** Jobs that bring evidence, as other features queue them, and what their key is. */
const SCAN_JOB = 'scan.artifact';
/** What is scanned when it is pushed. */
const SCANNED_KIND = 'image';
/** After this time an image is judged without a scan: it may need none, and who waits for it hears why it waits. */
const UNSCANNED_SECONDS = 5;
const REMATCH_JOB = 'advisories.rematch';
const VERIFY_JOB = 'signature.verify';
/** `<repository id>/<digest>` */
const VERIFY_KEY = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/(.+)$/;

/**
 * Tells which verdicts an event touches, as jobs that judge them again. More than needed does no harm; less would
 * leave a stored verdict that a fresh judgement contradicts.
 */
export class VerdictEvents {
  readonly #verdicts: VerdictStore;

  constructor(verdicts: VerdictStore) {
    this.#verdicts = verdicts;
  }

  /** The subscriber for the outbox relay. */
  async jobsFor(event: OutboxEvent): Promise<JobRequest[]> {
    switch (event.type) {
      case 'artifact.pushed':
        return this.#pushed(event.payload);
      case 'children.released':
        return this.#withDescendants(event.payload.manifestIds);
      case 'evidence.changed':
        return this.#evidenceChanged(event.payload.digest, event.payload.repositoryId);
      case 'policy.changed':
        return [sweepJob(scopeOf(event.payload.nodeId))];
      case 'trust.changed':
        // Before any signature is checked again: one by a key that is trusted no more ceases to count at once.
        return [sweepJob(scopeOf(event.payload.nodeId))];
      case 'advisories.changed':
        await this.#verdicts.noteAdvisoriesLoaded();
        return [sweepJob({ kind: 'no-data' })];
      case 'job.finished':
        return this.#jobFinished(event.payload.kind, event.payload.key);
      case 'artifact.deleted':
      case 'signatures.removed':
      case 'verdict.changed':
        // The first two become changes of evidence or of edges; the third queued the indexes that it concerns.
        return [];
    }
  }

  /**
   * The artifact, the indexes that waited for it, and (a signature may have been there first) what it names.
   *
   * An image is about to be scanned, and what that brings has it judged at once, by the same job. Whoever wants to read
   * it before has it judged as well.
   */
  async #pushed({ manifestId, kind }: EventPayloads['artifact.pushed']): Promise<JobRequest[]> {
    const [named, parents] = await Promise.all([
      kind === 'index' ? this.#verdicts.descendants([manifestId]) : [],
      this.#verdicts.parents([manifestId]),
    ]);
    const own = evaluateJob(manifestId, kind === SCANNED_KIND ? UNSCANNED_SECONDS : 0);
    return [own, ...[...named, ...parents].map((id) => evaluateJob(id))];
  }

  async #evidenceChanged(digest: string, repositoryId: string | null): Promise<JobRequest[]> {
    const own = await this.#verdicts.withDigest(digest, repositoryId);
    // What is known of an index in a repository are signatures, and they cover what it names.
    return repositoryId === null ? own.map((id) => evaluateJob(id)) : this.#withDescendants(own);
  }

  /** Work that a verdict waited for has ended, perhaps without bringing anything. */
  async #jobFinished(kind: string, key: string): Promise<JobRequest[]> {
    if (kind === SCAN_JOB) {
      return (await this.#verdicts.withDigest(key, null, { waiting: true })).map((id) => evaluateJob(id));
    }
    if (kind === REMATCH_JOB) return [sweepJob({ kind: 'no-data' })];
    const [, repositoryId, digest] = (kind === VERIFY_JOB && VERIFY_KEY.exec(key)) || [];
    if (repositoryId === undefined || digest === undefined) return [];
    return this.#withDescendants(await this.#verdicts.withDigest(digest, repositoryId));
  }

  async #withDescendants(manifestIds: readonly string[]): Promise<JobRequest[]> {
    return [...manifestIds, ...(await this.#verdicts.descendants(manifestIds))].map((id) => evaluateJob(id));
  }
}

function scopeOf(nodeId: string | null): Parameters<typeof sweepJob>[0] {
  return nodeId === null ? { kind: 'installation' } : { kind: 'node', nodeId };
}
