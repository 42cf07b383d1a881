import { createHash, type Hash } from 'node:crypto';
import type { UploadSession } from '@sluice/database';
import type { Digest, DigestAlgorithm } from '@sluice/domain/oci';
import { createSHA256, createSHA512, type IHasher } from 'hash-wasm';
import { LRUCache } from 'lru-cache';

/** A hash of the first bytes of an upload that can be continued. */
export interface RunningHash {
  readonly algorithm: DigestAlgorithm;
  update(chunk: Uint8Array): void;
  /** Of everything so far; the hash can be continued. */
  digest(): Digest;
  /** What another process needs to go on; null when this hash cannot leave its process. */
  state(): Uint8Array | null;
}

/** The fast one. node:crypto cannot write down where it stands (nodejs/node#25411). */
export class NativeHash implements RunningHash {
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

  state(): null {
    return null;
  }

  copy(): NativeHash {
    return new NativeHash(this.algorithm, this.#hash.copy());
  }
}

/** A quarter as fast, but its state goes into the row of the session. */
export class PortableHash implements RunningHash {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: IHasher;

  private constructor(algorithm: DigestAlgorithm, hash: IHasher) {
    this.algorithm = algorithm;
    this.#hash = hash;
  }

  static async begin(algorithm: DigestAlgorithm): Promise<PortableHash> {
    const hash = algorithm === 'sha256' ? await createSHA256() : await createSHA512();
    return new PortableHash(algorithm, hash.init());
  }

  /** Undefined when the state comes from another version of the algorithm's code. */
  static async resume(algorithm: DigestAlgorithm, state: Uint8Array): Promise<PortableHash | undefined> {
    const resumed = await PortableHash.begin(algorithm);
    try {
      resumed.#hash.load(state);
      return resumed;
    } catch {
      return undefined;
    }
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  digest(): Digest {
    const state = this.#hash.save();
    const hex = this.#hash.digest('hex');
    this.#hash.load(state);
    return `${this.algorithm}:${hex}` as Digest;
  }

  state(): Uint8Array {
    return this.#hash.save();
  }
}

/**
 * Hashes of uploads that come in several requests.
 *
 * A client that says by `Content-Range` that it sends chunks gets a hash whose state is kept with the session, so that
 * any process can go on with it. Other uploads are hashed by the fast code, which is kept in this process only; when they
 * are interrupted and continued elsewhere, their bytes are read again at the end.
 */
export class RunningHashes {
  readonly #hashes = new LRUCache<string, { offsetBytes: number; hash: NativeHash }>({
    max: 10_000,
    ttl: 3_600_000,
  });

  keep(sessionId: string, offsetBytes: number, hash: RunningHash): void {
    if (hash instanceof NativeHash) this.#hashes.set(sessionId, { offsetBytes, hash });
  }

  forget(sessionId: string): void {
    this.#hashes.delete(sessionId);
  }

  /**
   * A hash to continue the session with; undefined when there is none. Continuing it leaves the kept one as it is, for
   * the case that the chunk is refused.
   *
   * @param algorithm of the hash for a session that has no bytes yet
   * @param isChunked whether more chunks may come, to any process
   */
  async resume(
    session: UploadSession,
    algorithm: DigestAlgorithm,
    isChunked: boolean,
  ): Promise<RunningHash | undefined> {
    if (session.offsetBytes === 0) {
      return isChunked ? PortableHash.begin(algorithm) : new NativeHash(algorithm);
    }
    if (session.hashState !== null) return PortableHash.resume(session.algorithm, session.hashState);
    const kept = this.#hashes.get(session.id);
    return kept?.offsetBytes === session.offsetBytes ? kept.hash.copy() : undefined;
  }
}
