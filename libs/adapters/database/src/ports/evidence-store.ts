import type { Evidence } from '@sluice/domain/policy';

/** What a set of evidence is about. */
export interface EvidenceSubject {
  readonly digest: string;
  /** Null for a fact about the content wherever it lies (scan); the repository for a fact in it (signature). */
  readonly repositoryId: string | null;
  readonly kind: Evidence['kind'];
}

export interface EvidenceItem {
  /** Tells the items of one subject apart, e.g. the digest of the manifest that carries a signature. */
  readonly key: string;
  readonly payload: Evidence;
}

export interface StoredEvidence extends EvidenceItem {
  /** New whenever the content changes, so that a verdict's evidence ids name what it was judged by. */
  readonly id: string;
  readonly producer: string;
  readonly createdAt: Date;
}

/** The facts that verdicts are judged by. */
export abstract class EvidenceStore {
  /**
   * Makes `items` all that is known of the subject: adds, replaces and removes, all or nothing. No items mean that
   * nothing is known.
   *
   * Returns whether anything changed but the times at which it was looked (`scannedAt`, `checkedAt`); then, and only
   * then, an `evidence.changed` event is written in the same transaction. Calls about one subject do not interleave.
   * Characters that PostgreSQL cannot store are replaced.
   *
   * @param producer what made it, e.g. `sluice-scanner/1`
   */
  abstract replace(
    subject: EvidenceSubject,
    producer: string,
    items: readonly EvidenceItem[],
  ): Promise<boolean>;

  /** Ordered by key. */
  abstract list(subject: EvidenceSubject): Promise<StoredEvidence[]>;
}
