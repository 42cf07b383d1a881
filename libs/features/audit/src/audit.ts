import type { AuditTrail } from '@sluice/database';
import { type BrokenLink, CHAIN_START, type ChainHead, followChain, isBroken } from '@sluice/domain/audit';

/** What came of following the chain from its start. */
export type AuditProof =
  | { readonly intact: true; readonly head: ChainHead }
  | { readonly intact: false; readonly broken: BrokenLink };

const BATCH = 1_000;

/** Proves that the audit log was not changed. */
export class Audit {
  readonly #trail: AuditTrail;

  constructor(trail: AuditTrail) {
    this.#trail = trail;
  }

  /**
   * Follows every link of the chain and reports the first that is broken.
   *
   * A chain that was cut off at its end, or rewritten as a whole, is consistent in itself. Give the head of an earlier
   * proof, kept where nobody who could rewrite the log can change it, and that is found out too.
   *
   * @param options.onProgress told how many events were followed, of how many
   */
  async verify(
    options: {
      readonly anchor?: ChainHead;
      readonly signal?: AbortSignal;
      readonly onProgress?: (done: number, total: number) => void;
    } = {},
  ): Promise<AuditProof> {
    const { anchor } = options;
    const total = (await this.#trail.head()).seq;
    let head: ChainHead = CHAIN_START;
    for (;;) {
      options.signal?.throwIfAborted();
      const links = await this.#trail.read(head.seq, BATCH);
      const next = followChain(head, links);
      if (isBroken(next)) return { intact: false, broken: next };
      const anchored = links.find(({ event }) => event.seq === anchor?.seq);
      if (anchor !== undefined && anchored !== undefined && anchored.hash !== anchor.hash) {
        return broken(anchor.seq, `event ${anchor.seq} is not the one that an earlier proof has seen`);
      }
      if (links.length === 0) break;
      head = next;
      options.onProgress?.(head.seq, Math.max(total, head.seq));
    }
    if (anchor !== undefined && head.seq < anchor.seq) {
      return broken(
        head.seq + 1,
        `the log ends at event ${head.seq}: an earlier proof has seen ${anchor.seq}`,
      );
    }
    return { intact: true, head };
  }
}

function broken(seq: number, reason: string): AuditProof {
  return { intact: false, broken: { seq, reason } };
}
