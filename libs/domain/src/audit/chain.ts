import { createHash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';

/** One event as it is chained. Every member takes part in the hash. */
export interface ChainedEvent {
  /** 1 for the first event, and then without gaps. */
  readonly seq: number;
  readonly id: string;
  /** RFC 3339 in UTC with milliseconds. */
  readonly at: string;
  readonly actor: string;
  readonly tokenId: string | null;
  readonly clientAddress: string | null;
  readonly action: string;
  readonly resource: string;
  readonly decision: string;
  readonly policyVersion: string | null;
  readonly detail: unknown;
  readonly requestId: string | null;
}

/** A link of the chain as it is stored. Hashes are lower-case hex of SHA-256. */
export interface ChainLink {
  readonly event: ChainedEvent;
  readonly previousHash: string;
  readonly hash: string;
}

/** Where a chain stands: number and hash of its last link. Written down elsewhere, it proves that nothing was cut off. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** What the first link follows. */
export const CHAIN_START: ChainHead = { seq: 0, hash: '0'.repeat(64) };

/** SHA-256 over the 32 bytes of the previous hash and the canonical JSON of the event in UTF-8. */
export function hashEvent(previousHash: string, event: ChainedEvent): string {
  return createHash('sha256')
    .update(Buffer.from(previousHash, 'hex'))
    .update(canonicalJson(event))
    .digest('hex');
}

export interface BrokenLink {
  /** Number of the first link that is not what it should be. */
  readonly seq: number;
  readonly reason: string;
}

/** Follows links that come in order after `head`. Returns the new head, or the first link that is broken. */
export function followChain(head: ChainHead, links: readonly ChainLink[]): ChainHead | BrokenLink {
  let { seq, hash } = head;
  for (const link of links) {
    if (link.event.seq !== seq + 1) {
      return { seq: seq + 1, reason: `event ${seq + 1} is missing: the next one there is ${link.event.seq}` };
    }
    if (link.previousHash !== hash) {
      return { seq: link.event.seq, reason: `event ${link.event.seq} does not follow the one before it` };
    }
    if (link.hash !== hashEvent(hash, link.event)) {
      return { seq: link.event.seq, reason: `event ${link.event.seq} was changed after it was written` };
    }
    ({ seq } = link.event);
    ({ hash } = link);
  }
  return { seq, hash };
}

export function isBroken(result: ChainHead | BrokenLink): result is BrokenLink {
  return 'reason' in result;
}
