import type { DenialLog, VerdictSignals } from '@sluice/database';
import { type Digest, OciError, type RepositoryName } from '@sluice/domain/oci';
import { decideGate, type GateDecision, type StoredVerdict } from '@sluice/domain/policy';
import { principalIdOf, type PullRequest } from './request.ts';

export interface GateSettings {
  /** How long a pull waits for a pending verdict before it is sent away. 0: not at all. Clients give up after 30 s. */
  readonly holdMs: number;
  /** Beginning of the URLs that refusals end with, without a slash at its end. */
  readonly publicUrl: string;
}

/** Content with the verdict that holds for it. */
export interface Judged {
  readonly verdict: StoredVerdict | null;
  /** The artifact that the verdict is about, to wait for its next one. */
  readonly manifestId: string | null;
  readonly digest: Digest;
}

/** The policy says no. */
export class PullDenied extends OciError {
  readonly verdictId: string | null;

  constructor(message: string, verdictId: string | null) {
    super('DENIED', message);
    this.verdictId = verdictId;
  }
}

/** There is no verdict yet, and the wait for it is over. */
export class VerdictPending extends OciError {
  readonly retryAfterSeconds = 10;

  constructor(message: string) {
    super('TOOMANYREQUESTS', message);
  }
}

/** So many pulls may wait at once; more are sent away with a time to come back. */
const HELD_MAX = 2_000;
/** So many of one principal: the others want to wait, too. A cluster of 500 nodes may pull as one robot. */
const HELD_OF_ONE_MAX = 1_000;
/** So many of all who have not signed in. */
const HELD_OF_ANONYMOUS_MAX = 200;
/** Net under a lost signal. */
const REREAD_MS = 5_000;

/** Lets content out when its verdict allows it. The only way out for manifests and blobs. */
export class PullGate {
  readonly #signals: VerdictSignals;
  readonly #denials: DenialLog;
  readonly #settings: GateSettings;
  #held = 0;
  /** By principal; null: all who have not signed in. */
  readonly #heldOf = new Map<string | null, number>();

  constructor(signals: VerdictSignals, denials: DenialLog, settings: GateSettings) {
    this.#signals = signals;
    this.#denials = denials;
    this.#settings = settings;
  }

  /**
   * Decides about content that was found, waiting while its verdict is pending.
   *
   * @param reference what the client asked for
   * @param reread finds the content again; throws when it is gone
   * @returns what was found last, and what to warn the client of
   * @throws PullDenied, VerdictPending, whatever `reread` throws
   */
  async admit<Found extends Judged>(
    request: PullRequest,
    repository: RepositoryName,
    reference: string,
    first: Found,
    reread: () => Promise<Found>,
  ): Promise<{ readonly found: Found; readonly warning: string | null }> {
    let found = first;
    let decision = decideGate(found.verdict);
    if (
      decision.kind === 'hold' &&
      this.#settings.holdMs > 0 &&
      this.#hasRoomFor(principalIdOf(request.caller))
    ) {
      found = await this.#hold(found, reread, request);
      decision = decideGate(found.verdict);
    }
    switch (decision.kind) {
      case 'allow':
        return { found, warning: null };
      case 'warn':
        return { found, warning: decision.message };
      case 'hold':
        throw new VerdictPending(
          `${decision.reason}: try again, or see ${this.#verdictUrl(decision.verdictId)}`,
        );
      case 'deny':
        throw this.#deny(request, repository, reference, found, decision);
    }
  }

  async #hold<Found extends Judged>(
    first: Found,
    reread: () => Promise<Found>,
    request: PullRequest,
  ): Promise<Found> {
    const deadline = Date.now() + this.#settings.holdMs;
    const gone = request.gone();
    let found = first;
    this.#count(principalIdOf(request.caller), 1);
    try {
      for (;;) {
        const { manifestId } = found;
        if (manifestId === null) return found;
        // The watch is opened before the verdict is read, so that no signal falls between the two.
        const watch = this.#signals.watch(manifestId);
        try {
          found = await reread();
          const remaining = deadline - Date.now();
          if (found.verdict?.state !== 'pending' || remaining <= 0 || gone.aborted) return found;
          await watch.next(Math.min(remaining, REREAD_MS), gone);
        } finally {
          watch.close();
        }
      }
    } finally {
      this.#count(principalIdOf(request.caller), -1);
    }
  }

  #hasRoomFor(holder: string | null): boolean {
    const limit = holder === null ? HELD_OF_ANONYMOUS_MAX : HELD_OF_ONE_MAX;
    return this.#held < HELD_MAX && (this.#heldOf.get(holder) ?? 0) < limit;
  }

  #count(holder: string | null, change: 1 | -1): void {
    this.#held += change;
    const held = (this.#heldOf.get(holder) ?? 0) + change;
    if (held === 0) this.#heldOf.delete(holder);
    else this.#heldOf.set(holder, held);
  }

  #deny(
    request: PullRequest,
    repository: RepositoryName,
    reference: string,
    found: Judged,
    { verdictId, reason }: Extract<GateDecision, { kind: 'deny' }>,
  ): PullDenied {
    const { caller, clientAddress, userAgent, requestId } = request;
    this.#denials.record({
      at: new Date(),
      principalId: principalIdOf(caller),
      principalName: caller.principal.kind === 'anonymous' ? 'anonymous' : caller.principal.name,
      tokenId: caller.tokenId,
      repository,
      reference,
      digest: found.digest,
      rule: /^[^:\s]+(?=:)/.exec(reason)?.[0] ?? 'policy',
      reason,
      verdictId,
      clientAddress,
      userAgent,
      requestId,
    });
    return new PullDenied(
      verdictId === null ? reason : `${reason} ${this.#verdictUrl(verdictId)}`,
      verdictId,
    );
  }

  #verdictUrl(verdictId: string): string {
    return `${this.#settings.publicUrl}/api/v1/verdicts/ver_${verdictId.replaceAll('-', '')}`;
  }
}
