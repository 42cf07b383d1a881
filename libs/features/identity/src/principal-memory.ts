import type { PrincipalRecord, PrincipalStore, ReadCoherence } from '@sluice/database';
import { LRUCache } from 'lru-cache';

/** Whether a principal's tokens still hold. */
export type Standing = Pick<PrincipalRecord, 'epoch' | 'disabledAt' | 'expiresAt'>;

const REMEMBERED_MAX = 10_000;
/** A net under the notifications: what nobody told to forget is read anew after this long. */
const REMEMBER_MS = 60_000;

/**
 * The standing of principals, asked for by every request that writes. It is answered from memory while this process is
 * sure to be told of every change.
 */
export class PrincipalMemory {
  readonly #principals: PrincipalStore;
  readonly #coherence: ReadCoherence | null;
  readonly #remembered = new LRUCache<string, Standing>({ max: REMEMBERED_MAX, ttl: REMEMBER_MS });

  /** @param coherence null: ask every time */
  constructor(principals: PrincipalStore, coherence: ReadCoherence | null) {
    this.#principals = principals;
    this.#coherence = coherence;
    coherence?.onForget((forgotten) => {
      if (forgotten.kind === 'principal') this.#remembered.delete(forgotten.id);
      else if (forgotten.kind === 'everything') this.#remembered.clear();
    });
  }

  /** Null when there is no such principal. */
  async standing(principalId: string): Promise<Standing | null> {
    const coherence = this.#coherence;
    if (coherence === null) return this.#principals.byId(principalId);
    const known = coherence.isAssured ? this.#remembered.get(principalId) : undefined;
    if (known !== undefined) return known;
    const { generation } = coherence;
    const record = await this.#principals.byId(principalId);
    // What was read before something changed may be what changed.
    if (record !== null && generation === coherence.generation) {
      const { epoch, disabledAt, expiresAt } = record;
      this.#remembered.set(principalId, { epoch, disabledAt, expiresAt });
    }
    return record;
  }
}
