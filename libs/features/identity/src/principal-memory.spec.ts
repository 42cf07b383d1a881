import type { Forgotten, PrincipalRecord, PrincipalStore } from '@sluice/database';
import { ReadCoherence } from '@sluice/database';
import { beforeEach, describe, expect, it } from 'vitest';
import { PrincipalMemory } from './principal-memory.ts';

/** As the real one seen from a process: it decides what is sure, and tells of changes. */
class Coherence extends ReadCoherence {
  isAssured = true;
  generation = 0;
  readonly #handlers: ((forgotten: Forgotten) => void)[] = [];

  override onForget(handler: (forgotten: Forgotten) => void): void {
    this.#handlers.push(handler);
  }

  forget(forgotten: Forgotten): void {
    this.generation += 1;
    for (const handler of this.#handlers) handler(forgotten);
  }

  override async settle(): Promise<void> {}

  override async close(): Promise<void> {}
}

describe('the standing of a principal', () => {
  let coherence: Coherence;
  let epoch: number;
  let asked: number;
  let onAsk: () => void;
  let memory: PrincipalMemory;
  beforeEach(() => {
    coherence = new Coherence();
    [epoch, asked, onAsk] = [1, 0, () => undefined];
    const store = {
      async byId(): Promise<PrincipalRecord | null> {
        asked += 1;
        const read = { epoch, disabledAt: null, expiresAt: null } as PrincipalRecord;
        onAsk();
        return read;
      },
    } as unknown as PrincipalStore;
    memory = new PrincipalMemory(store, coherence);
  });

  const standingEpoch = async (): Promise<number | undefined> => (await memory.standing('a'))?.epoch;

  it('is read once while the process is sure to be told of changes', async () => {
    expect([await standingEpoch(), await standingEpoch(), await standingEpoch()]).toEqual([1, 1, 1]);
    expect(asked).toBe(1);
  });

  it('is read again for every request while it is not sure', async () => {
    await standingEpoch();
    coherence.isAssured = false;
    epoch = 2;
    expect(await standingEpoch()).toBe(2);
    expect(asked).toBe(2);
  });

  it.each([{ kind: 'principal', id: 'a' }, { kind: 'everything' }] as const)(
    'is forgotten when the process is told so: $kind',
    async (forgotten) => {
      await standingEpoch();
      epoch = 2;
      coherence.forget(forgotten);
      expect(await standingEpoch()).toBe(2);
    },
  );

  it('is not remembered when something changed while it was read', async () => {
    onAsk = () => {
      epoch = 2;
      coherence.forget({ kind: 'principal', id: 'a' });
    };
    await standingEpoch();
    onAsk = () => undefined;
    expect(await standingEpoch()).toBe(2);
  });
});
