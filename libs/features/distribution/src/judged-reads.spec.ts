import { type BlobLookup, type ManifestLookup, RegistryReads } from '@sluice/database';
import type { Digest, Reference, RepositoryName } from '@sluice/domain/oci';
import { describe, expect, it } from 'vitest';
import { JudgedReads } from './judged-reads.ts';

const REPOSITORY = 'team/app' as RepositoryName;
const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const TAG = { kind: 'tag', tag: 'v1' } as Reference;

/** Content that is stale until it was judged so many times, first as one artifact and then as the next. */
class StaleReads extends RegistryReads {
  judged: string[] = [];
  readonly #rounds: number;

  constructor(rounds: number) {
    super();
    this.#rounds = rounds;
  }

  get #isStale(): boolean {
    return this.judged.length < this.#rounds;
  }

  async manifest(): Promise<ManifestLookup> {
    const verdict = { id: 'v', state: this.#isStale ? 'pending' : 'red', summary: null } as const;
    const common = { digest: DIGEST, mediaType: 'x', sizeBytes: 1, kind: 'image' } as const;
    const manifest = { ...common, id: 'm', verdict, isStale: this.#isStale };
    return { principalEpoch: null, projectId: 'p', repositoryId: 'r', visibility: 'private', manifest };
  }

  async blob(): Promise<BlobLookup> {
    const manifestId = `m${this.judged.length}`;
    const verdict = { id: 'v', state: 'pending', summary: null, manifestId } as const;
    const common = {
      id: 'b',
      sizeBytes: 1,
      objectKey: 'k',
      leasedUntil: null,
      isOfImage: true,
      enforced: true,
      mayRedirect: true,
    };
    return {
      principalEpoch: null,
      repositoryId: 'r',
      visibility: 'private',
      blob: { ...common, verdict, isStale: this.#isStale },
    };
  }

  manifestContent = async () => null;
  verdictResults = async () => [];
  tags = async () => [];
  referrers = async () => ({ referrers: [], hasMore: false });
}

function setUp(rounds: number) {
  const stale = new StaleReads(rounds);
  const reads = new JudgedReads(stale, async (id) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    stale.judged.push(id);
  });
  return { stale, reads };
}

describe('what was judged by older rules', () => {
  it('is judged before it is answered', async () => {
    const { stale, reads } = setUp(1);
    const { manifest } = await reads.manifest(REPOSITORY, TAG, null);
    expect([manifest?.isStale, manifest?.verdict?.state]).toEqual([false, 'red']);
    expect(stale.judged).toEqual(['m']);
  });

  it('costs nothing when it is not stale', async () => {
    const { stale, reads } = setUp(0);
    await reads.manifest(REPOSITORY, TAG, null);
    await reads.blob(REPOSITORY, DIGEST, null);
    expect(stale.judged).toEqual([]);
  });

  it('is judged once for all who ask at the same time', async () => {
    const { stale, reads } = setUp(1);
    await Promise.all(Array.from({ length: 50 }, () => reads.manifest(REPOSITORY, TAG, null)));
    expect(stale.judged).toEqual(['m']);
  });

  it('gives of a blob every artifact that names it a judgement, up to a limit', async () => {
    const few = setUp(3);
    expect((await few.reads.blob(REPOSITORY, DIGEST, null)).blob?.isStale).toBe(false);
    expect(few.stale.judged).toEqual(['m0', 'm1', 'm2']);
    const many = setUp(1_000);
    expect((await many.reads.blob(REPOSITORY, DIGEST, null)).blob?.verdict?.state).toBe('pending');
    expect(many.stale.judged).toHaveLength(10);
  });

  it('fails for all who ask when it cannot be judged, and is tried again by the next', async () => {
    const { stale } = setUp(1);
    let attempts = 0;
    const reads = new JudgedReads(stale, async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('the database is away');
      stale.judged.push('m');
    });
    await expect(reads.manifest(REPOSITORY, TAG, null)).rejects.toThrow('away');
    expect((await reads.manifest(REPOSITORY, TAG, null)).manifest?.isStale).toBe(false);
  });
});
