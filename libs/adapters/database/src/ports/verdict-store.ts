import type {
  Evaluation,
  EvaluationContext,
  EvidenceRecord,
  RuleResult,
  StoredVerdict,
} from '@sluice/domain/policy';

/** Everything that the verdict of one artifact depends on, seen at one moment. */
export interface VerdictInputs {
  readonly manifestId: string;
  readonly repositoryId: string;
  readonly policies: readonly {
    readonly name: string;
    readonly version: number;
    readonly scope: string;
    /** As it was stored; the reader parses it. */
    readonly document: unknown;
  }[];
  readonly evidence: readonly EvidenceRecord[];
  readonly context: EvaluationContext;
}

export interface FullVerdict extends StoredVerdict {
  readonly results: readonly RuleResult[];
  /** Null before the first evaluation. */
  readonly inputsHash: string | null;
  readonly evaluatedAt: Date;
}

/** Artifacts that are to be judged again together. */
export type VerdictScope =
  | { readonly kind: 'installation' }
  /** In this node and everything below it. */
  | { readonly kind: 'node'; readonly nodeId: string }
  /** Those whose scan found no advisory data. */
  | { readonly kind: 'no-data' };

/** Stored verdicts and what they are made of. Artifacts are named by their row of `manifest`. */
export abstract class VerdictStore {
  /**
   * Judges one artifact and stores the result, in one transaction that no other judgement of it overlaps: what is
   * stored was judged by inputs that were read after the one before was stored. The id of a verdict never changes.
   *
   * Nothing is written when the result is what is stored. When state or summary change, a `verdict.changed` event, a
   * notification for waiting pulls and `verdict.evaluate` jobs for the indexes that name the artifact are written
   * with it.
   *
   * @param judge called with the inputs; must be pure
   * @returns null when the artifact is gone
   */
  abstract evaluate(
    manifestId: string,
    judge: (inputs: VerdictInputs) => Evaluation,
  ): Promise<{ readonly verdict: FullVerdict; readonly changed: boolean } | null>;

  /** What is stored beside what it would be judged by now, seen at one moment. Null when the artifact is gone. */
  abstract read(
    manifestId: string,
  ): Promise<{ readonly stored: FullVerdict; readonly inputs: VerdictInputs } | null>;

  /** Ids in ascending order, after the given one. */
  abstract list(scope: VerdictScope, after: string | null, limit: number): Promise<string[]>;

  /**
   * The artifacts with this digest, in one repository or in all.
   *
   * @param options.waiting only those of which a rule is pending or that nobody has judged; waits for judgements that are
   * under way
   */
  abstract withDigest(
    digest: string,
    repositoryId: string | null,
    options?: { readonly waiting?: boolean },
  ): Promise<string[]>;

  /** The indexes that name any of these, directly. */
  abstract parents(manifestIds: readonly string[]): Promise<string[]>;

  /** All that these indexes name, directly or through another index. */
  abstract descendants(manifestIds: readonly string[]): Promise<string[]>;

  /** Remembers for ever that advisory data was loaded at least once. */
  abstract noteAdvisoriesLoaded(): Promise<void>;
}
