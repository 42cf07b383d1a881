import type { FullVerdict, VerdictInputs, VerdictScope, VerdictStore } from '@sluice/database';
import type { Evaluation } from '@sluice/domain/policy';
import { type JobLedger, type JobRequest } from '@sluice/jobs';
import { judge } from './stored-inputs.ts';

export const EVALUATE_JOB = 'verdict.evaluate';
export const SWEEP_JOB = 'verdict.sweep';

/** Why an artifact has its verdict, and whether that is still what it would get. */
export interface VerdictExplanation {
  readonly stored: FullVerdict;
  /** What the artifact would be judged by now. */
  readonly fresh: Evaluation;
  /** False for the moment between a change and the judgement that it causes. */
  readonly isCurrent: boolean;
  readonly inputs: VerdictInputs;
}

/** A stored verdict that is not what a fresh judgement says. */
export interface VerdictDifference {
  readonly manifestId: string;
  readonly repository: string;
  readonly digest: string;
  readonly stored: FullVerdict;
  readonly fresh: Evaluation;
}

/** How many artifacts a sweep queues in one transaction. */
const SWEEP_BATCH = 500;

/** Children of an index that are judged while a pull waits. */
const JUDGED_NOW_MAX = 50;

/** Judges artifacts and keeps what is stored equal to what a fresh judgement would say. */
export class Verdicts {
  readonly #verdicts: VerdictStore;
  readonly #ledger: JobLedger;

  constructor(verdicts: VerdictStore, ledger: JobLedger) {
    this.#verdicts = verdicts;
    this.#ledger = ledger;
  }

  /**
   * Judges one artifact (row of `manifest`) by what is known now and stores the verdict if it changed. Any number may
   * run at once. Returns null when the artifact is gone.
   */
  async evaluateArtifact(manifestId: string): Promise<FullVerdict | null> {
    return (await this.#verdicts.evaluate(manifestId, judge))?.verdict ?? null;
  }

  /**
   * Judges an artifact that somebody waits for, and before it what it names, as far as an index of ordinary size goes:
   * the rest has its turn in the queue.
   */
  async judgeNow(manifestId: string): Promise<void> {
    const named = await this.#verdicts.descendants([manifestId]);
    for (const id of named.slice(0, JUDGED_NOW_MAX)) await this.evaluateArtifact(id);
    await this.evaluateArtifact(manifestId);
  }

  /** Null when the artifact is gone. */
  async explain(manifestId: string): Promise<VerdictExplanation | null> {
    const found = await this.#verdicts.read(manifestId);
    if (found === null) return null;
    const fresh = judge(found.inputs);
    return { ...found, fresh, isCurrent: isCurrent(found.stored, fresh) };
  }

  /**
   * Queues the judgement of all artifacts of a scope, in batches. An artifact that is pushed meanwhile has its own
   * event.
   *
   * @param onProgress told how many artifacts were queued so far
   */
  async sweep(
    scope: VerdictScope,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number) => void } = {},
  ): Promise<void> {
    let after: string | null = null;
    let done = 0;
    do {
      options.signal?.throwIfAborted();
      const ids: string[] = await this.#verdicts.list(scope, after, SWEEP_BATCH);
      await this.#ledger.enqueue(ids.map((id) => evaluateJob(id)));
      done += ids.length;
      options.onProgress?.(done);
      after = ids.length < SWEEP_BATCH ? null : (ids.at(-1) ?? null);
    } while (after !== null);
  }

  /** Judges every artifact again without storing anything, and yields those whose stored verdict is different. */
  async *auditVerdicts(): AsyncGenerator<VerdictDifference, void, undefined> {
    let after: string | null = null;
    do {
      const ids: string[] = await this.#verdicts.list({ kind: 'installation' }, after, SWEEP_BATCH);
      for (const manifestId of ids) {
        const explanation = await this.explain(manifestId);
        if (explanation === null || explanation.isCurrent) continue;
        const { repository, digest } = explanation.inputs.context.artifact;
        yield { manifestId, repository, digest, stored: explanation.stored, fresh: explanation.fresh };
      }
      after = ids.at(-1) ?? null;
    } while (after !== null);
  }
}

/** @param delaySeconds how long the judgement may wait for something to be judged by; another request ends the wait */
export function evaluateJob(manifestId: string, delaySeconds = 0): JobRequest {
  return { kind: EVALUATE_JOB, key: manifestId, payload: { manifestId }, delaySeconds };
}

/** One sweep of a scope at a time; while one runs, another may wait. */
export function sweepJob(scope: VerdictScope): JobRequest {
  const key = scope.kind === 'node' ? scope.nodeId : scope.kind;
  return { kind: SWEEP_JOB, key, payload: scope };
}

function isCurrent(stored: FullVerdict, fresh: Evaluation): boolean {
  return (
    stored.inputsHash === fresh.inputsHash && stored.state === fresh.state && stored.summary === fresh.summary
  );
}
