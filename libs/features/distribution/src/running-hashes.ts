import { createHash, type Hash } from 'node:crypto';
import type { UploadSession } from '@sluice/database';
import type { Digest, DigestAlgorithm } from '@sluice/domain/oci';
import { LRUCache } from 'lru-cache';

/** A hash of the first bytes of an upload that can be continued. */
export class RunningHash {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm, hash: Hash = createHash(algorithm)) {
    this.algorithm = algorithm;
    this.#hash = hash;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    return `${this.algorithm}:${this.#hash.copy().digest('hex')}` as Digest;
  }

  copy(): RunningHash {
    return new RunningHash(this.algorithm, this.#hash.copy());
  }
}

/**
 * Hashes of uploads that come in several chunks, kept in this process between them.
 *
 * node:crypto cannot write down the state of a hash, so an upload that is continued on another replica or after a
 * restart has none; its bytes are then read again at the end.
 */
export class RunningHashes {
  readonly #hashes = new LRUCache<string, { offsetBytes: number; hash: RunningHash }>({
    max: 10_000,
    ttl: 3_600_000,
  });

  keep(sessionId: string, offsetBytes: number, hash: RunningHash): void {
    this.#hashes.set(sessionId, { offsetBytes, hash });
  }

  forget(sessionId: string): void {
    this.#hashes.delete(sessionId);
  }

  /**
   * A hash to continue the session with; undefined when there is none. Continuing it leaves the kept one as it is, for
   * the case that the chunk is refused.
   *
   * @param algorithm of the hash for a session that has no bytes yet
   */
  resume(session: UploadSession, algorithm: DigestAlgorithm): RunningHash | undefined {
    if (session.offsetBytes === 0) return new RunningHash(algorithm);
    const kept = this.#hashes.get(session.id);
    return kept?.offsetBytes === session.offsetBytes ? kept.hash.copy() : undefined;
  }
}
