import {
  type BlobLookup,
  type ManifestLookup,
  type ReferrersPage,
  type ReferrersQuery,
  RegistryReads,
} from '@sluice/database';
import type { Digest, Reference, RepositoryName, Tag } from '@sluice/domain/oci';
import type { RuleResult } from '@sluice/domain/policy';

/** Judges an artifact (row of `manifest`) by what holds now and stores the verdict. */
export type Judge = (manifestId: string) => Promise<void>;

/** So often one read waits for a judgement: rules may change again, and a blob may be named by many artifacts. */
const ROUNDS_MAX = 10;

/**
 * Reads of which no verdict is older than the policies and trusted keys that hold: what is stale is judged before it
 * is answered, so that a stricter policy holds from the moment that it was applied, and nobody waits until everything
 * else was judged again.
 */
export class JudgedReads extends RegistryReads {
  readonly #reads: RegistryReads;
  readonly #judge: Judge;
  /** Many may ask for the same artifact at once, right after a change. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(reads: RegistryReads, judge: Judge) {
    super();
    this.#reads = reads;
    this.#judge = judge;
  }

  async manifest(
    repository: RepositoryName,
    reference: Reference,
    principalId: string | null,
  ): Promise<ManifestLookup> {
    for (let round = 0; ; round += 1) {
      const found = await this.#reads.manifest(repository, reference, principalId);
      const { manifest } = found;
      if (manifest?.isStale !== true || round === ROUNDS_MAX) return found;
      await this.#judgeOnce(manifest.id);
    }
  }

  async blob(repository: RepositoryName, digest: Digest, principalId: string | null): Promise<BlobLookup> {
    for (let round = 0; ; round += 1) {
      const found = await this.#reads.blob(repository, digest, principalId);
      const verdict = found.blob?.isStale === true ? found.blob.verdict : null;
      if (verdict === null || round === ROUNDS_MAX) return found;
      await this.#judgeOnce(verdict.manifestId);
    }
  }

  manifestContent(manifestId: string): Promise<Buffer | null> {
    return this.#reads.manifestContent(manifestId);
  }

  verdictResults(manifestId: string): Promise<readonly RuleResult[]> {
    return this.#reads.verdictResults(manifestId);
  }

  tags(repository: RepositoryName, after: string | null, limit: number): Promise<Tag[] | null> {
    return this.#reads.tags(repository, after, limit);
  }

  referrers(repository: RepositoryName, subject: Digest, query: ReferrersQuery): Promise<ReferrersPage> {
    return this.#reads.referrers(repository, subject, query);
  }

  async #judgeOnce(manifestId: string): Promise<void> {
    const running = this.#running.get(manifestId) ?? this.#judge(manifestId);
    this.#running.set(manifestId, running);
    try {
      await running;
    } finally {
      this.#running.delete(manifestId);
    }
  }
}
