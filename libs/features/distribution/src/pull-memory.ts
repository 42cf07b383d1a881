import type { Forgotten, ReadCoherence } from '@sluice/database';
import type { Caller, Visibility } from '@sluice/domain/access';
import type { RepositoryName } from '@sluice/domain/oci';
import { decideGate } from '@sluice/domain/policy';
import { LRUCache } from 'lru-cache';
import type { Judged } from './pull-gate.ts';
import { maySee } from './request.ts';

const ENTRIES_MAX = 50_000;
const PRINCIPALS_MAX = 50_000;
/** A net under the notifications: what nobody told to forget is read anew after this long. */
const REMEMBER_MS = 60_000;
/** How exactly that is kept: the cache asks for the time once in this span. */
const REMEMBER_RESOLUTION_MS = 1_000;

/** One per repository, so that all that is remembered of it ends at once. */
interface RepositoryMark {
  isCurrent: boolean;
}

/** Content that was found, with all that decides whether it may be had. */
export interface Pullable extends Judged {
  /** Of the project. */
  readonly visibility: Visibility;
}

interface Entry<Found> {
  readonly found: Found;
  readonly repository: RepositoryMark;
}

/**
 * What may be pulled without asking the database: manifests, or blobs, that the gate let out when it was asked last, while
 * {@link ReadCoherence} assures that this process would have been told otherwise. What is missing, pending or refused
 * is looked up every time.
 */
export class PullMemory<Found extends Pullable> {
  readonly #coherence: ReadCoherence;
  readonly #entries = new LRUCache<string, Entry<Found>>({
    max: ENTRIES_MAX,
    ttl: REMEMBER_MS,
    ttlResolution: REMEMBER_RESOLUTION_MS,
  });
  readonly #marks = new Map<string, RepositoryMark>();
  /** Id of a principal -> its current epoch. */
  readonly #epochs = new LRUCache<string, number>({
    max: PRINCIPALS_MAX,
    ttl: REMEMBER_MS,
    ttlResolution: REMEMBER_RESOLUTION_MS,
  });

  constructor(coherence: ReadCoherence) {
    this.#coherence = coherence;
    coherence.onForget((forgotten) => this.#forget(forgotten));
  }

  /** To be taken before a read whose result is to be remembered. */
  get generation(): number {
    return this.#coherence.generation;
  }

  /** What the caller gets for the reference, or null when the database must be asked. */
  recall(repository: RepositoryName, reference: string, caller: Caller): Found | null {
    if (!this.#coherence.isAssured) return null;
    const entry = this.#entries.get(keyOf(repository, reference));
    if (entry === undefined || !entry.repository.isCurrent) return null;
    const { principal } = caller;
    const mayAct = principal.kind === 'anonymous' || this.#epochs.get(principal.id) === principal.epoch;
    return mayAct && maySee(caller, repository, entry.found.visibility) ? entry.found : null;
  }

  /**
   * Remembers what was read for a caller whose epoch was found to be current.
   *
   * @param generation of before the read: when anything was told to be forgotten since, nothing is remembered, because
   * the read may have seen what held before
   */
  remember(
    generation: number,
    repository: { readonly id: string; readonly name: RepositoryName },
    reference: string,
    { principal }: Caller,
    found: Found,
  ): void {
    const { kind } = decideGate(found.verdict);
    if (generation !== this.#coherence.generation || (kind !== 'allow' && kind !== 'warn')) return;
    this.#entries.set(keyOf(repository.name, reference), { found, repository: this.#markOf(repository.id) });
    if (principal.kind !== 'anonymous') this.#epochs.set(principal.id, principal.epoch);
  }

  #markOf(repositoryId: string): RepositoryMark {
    const known = this.#marks.get(repositoryId);
    if (known !== undefined) return known;
    if (this.#marks.size >= ENTRIES_MAX) this.#forget({ kind: 'everything' });
    const mark = { isCurrent: true };
    this.#marks.set(repositoryId, mark);
    return mark;
  }

  #forget(forgotten: Forgotten): void {
    switch (forgotten.kind) {
      case 'repository': {
        const mark = this.#marks.get(forgotten.id);
        if (mark !== undefined) mark.isCurrent = false;
        this.#marks.delete(forgotten.id);
        return;
      }
      case 'principal':
        this.#epochs.delete(forgotten.id);
        return;
      case 'everything':
        this.#entries.clear();
        this.#marks.clear();
        this.#epochs.clear();
    }
  }
}

/** Neither a repository name nor a reference holds a blank. */
function keyOf(repository: RepositoryName, reference: string): string {
  return `${repository} ${reference}`;
}
