import { type Forgotten, ReadCoherence } from '@sluice/database';
import type { Caller, Visibility } from '@sluice/domain/access';
import type { Digest, RepositoryName } from '@sluice/domain/oci';
import type { VerdictState } from '@sluice/domain/policy';
import { beforeEach, describe, expect, it } from 'vitest';
import { PullMemory } from './pull-memory.ts';
import type { FoundManifest } from './manifest-service.ts';

/** Says what a test has it say. */
class SteeredCoherence extends ReadCoherence {
  isAssured = true;
  generation = 0;
  #handler: (forgotten: Forgotten) => void = () => undefined;

  onForget(handler: (forgotten: Forgotten) => void): void {
    this.#handler = handler;
  }

  forget(forgotten: Forgotten): void {
    this.generation += 1;
    this.#handler(forgotten);
  }

  async settle(): Promise<void> {}
  async close(): Promise<void> {}
}

const APP = { id: 'r1', name: 'team/app' as RepositoryName };
const OTHER = { id: 'r2', name: 'team/other' as RepositoryName };

function user(id: string, epoch: number): Caller {
  return { principal: { kind: 'user', id, name: id, isAdmin: false, epoch }, access: [], tokenId: null };
}
const ANONYMOUS: Caller = { principal: { kind: 'anonymous' }, access: [], tokenId: null };
const ALICE = user('alice', 1);

function found(state: VerdictState, visibility: Visibility = 'private'): FoundManifest {
  const verdict = { id: 'v', state, summary: null };
  const digest = `sha256:${'a'.repeat(64)}` as Digest;
  const manifest = {
    id: 'm',
    digest,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    sizeBytes: 2,
    kind: 'image' as const,
    verdict,
    isStale: false,
  };
  return { manifest, verdict, visibility, manifestId: 'm', digest };
}

describe('the memory of manifests', () => {
  let coherence: SteeredCoherence;
  let memory: PullMemory<FoundManifest>;
  beforeEach(() => {
    coherence = new SteeredCoherence();
    memory = new PullMemory(coherence);
  });

  it.each(['green', 'amber'] as const)('recalls what is %s, for that repository and reference', (state) => {
    const image = found(state);
    memory.remember(0, APP, 'v1', ALICE, image);
    expect(memory.recall(APP.name, 'v1', ALICE)).toBe(image);
    expect(memory.recall(APP.name, 'v2', ALICE)).toBeNull();
    expect(memory.recall(OTHER.name, 'v1', ALICE)).toBeNull();
  });

  it.each(['pending', 'red'] as const)('never remembers what is %s', (state) => {
    memory.remember(0, APP, 'v1', ALICE, found(state));
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
  });

  it('remembers nothing that was read while something had to be forgotten', () => {
    const { generation } = memory;
    coherence.forget({ kind: 'repository', id: OTHER.id });
    memory.remember(generation, APP, 'v1', ALICE, found('green'));
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
  });

  it('recalls nothing while it is not assured, and goes on when it is again', () => {
    memory.remember(0, APP, 'v1', ALICE, found('green'));
    coherence.isAssured = false;
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
    coherence.isAssured = true;
    expect(memory.recall(APP.name, 'v1', ALICE)).not.toBeNull();
  });

  it('forgets all of a repository and nothing of another', () => {
    for (const repository of [APP, OTHER]) {
      for (const tag of ['v1', 'v2']) memory.remember(0, repository, tag, ALICE, found('green'));
    }
    coherence.forget({ kind: 'repository', id: APP.id });
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
    expect(memory.recall(APP.name, 'v2', ALICE)).toBeNull();
    expect(memory.recall(OTHER.name, 'v1', ALICE)).not.toBeNull();
    memory.remember(coherence.generation, APP, 'v1', ALICE, found('green'));
    expect(memory.recall(APP.name, 'v1', ALICE)).not.toBeNull();
  });

  it('knows a principal by the epoch that was found to be current, and nobody else', () => {
    memory.remember(0, APP, 'v1', ALICE, found('green'));
    expect(memory.recall(APP.name, 'v1', user('alice', 2))).toBeNull();
    expect(memory.recall(APP.name, 'v1', user('bob', 1))).toBeNull();
    coherence.forget({ kind: 'principal', id: 'alice' });
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
    expect(memory.recall(APP.name, 'v1', ANONYMOUS), 'the repository was not forgotten').not.toBeNull();
  });

  it('knows a token that was issued by visibility only while the project is that visible', () => {
    const access = [{ repository: APP.name, actions: ['pull'], byVisibility: true }] as const;
    memory.remember(0, APP, 'v1', ALICE, found('green', 'internal'));
    expect(memory.recall(APP.name, 'v1', { ...ALICE, access })).not.toBeNull();
    expect(memory.recall(APP.name, 'v1', { ...ANONYMOUS, access })).toBeNull();
    memory.remember(0, APP, 'v1', ALICE, found('green', 'public'));
    expect(memory.recall(APP.name, 'v1', { ...ANONYMOUS, access })).not.toBeNull();
    memory.remember(0, APP, 'v1', ALICE, found('green', 'private'));
    expect(memory.recall(APP.name, 'v1', { ...ALICE, access })).toBeNull();
    expect(memory.recall(APP.name, 'v1', ALICE), 'for other reasons').not.toBeNull();
  });

  it('forgets everything when anything may have been missed', () => {
    memory.remember(0, APP, 'v1', ALICE, found('green'));
    coherence.forget({ kind: 'everything' });
    expect(memory.recall(APP.name, 'v1', ALICE)).toBeNull();
    expect(memory.recall(APP.name, 'v1', ANONYMOUS)).toBeNull();
  });
});
