import { describe, expect, it } from 'vitest';
import { ByteBudget, PartBuffers } from './part-buffers.ts';

describe('part buffers', () => {
  it('are used again, each by one upload at a time', () => {
    const buffers = new PartBuffers(1_024);
    const [first, second] = [buffers.take(1_024), buffers.take(1_024)];
    expect(first).not.toBe(second);
    buffers.give(first);
    expect(buffers.take(1_024)).toBe(first);
    expect(buffers.take(1_024)).not.toBe(first);
  });

  it('of another size are new, and not kept', () => {
    const buffers = new PartBuffers(1_024);
    const large = buffers.take(2_048);
    expect(large).toHaveLength(2_048);
    buffers.give(large);
    expect(buffers.take(1_024)).toHaveLength(1_024);
  });
});

describe('the budget of bytes under way', () => {
  const settled = async (promise: Promise<unknown>): Promise<boolean> =>
    Promise.race([promise.then(() => true), new Promise<boolean>((done) => setImmediate(done, false))]);

  it('lets no more through than it has, in the order of asking', async () => {
    const budget = new ByteBudget(10);
    await budget.acquire(6);
    const [second, third] = [budget.acquire(5), budget.acquire(1)];
    expect([await settled(second), await settled(third)]).toEqual([false, false]);
    budget.release(6);
    expect([await settled(second), await settled(third)]).toEqual([true, true]);
  });

  it('lets two of those go that are larger than the whole', async () => {
    const budget = new ByteBudget(10);
    const [first, second, third] = [budget.acquire(50), budget.acquire(50), budget.acquire(50)];
    expect([await settled(first), await settled(second), await settled(third)]).toEqual([true, true, false]);
    const small = budget.acquire(1);
    budget.release(50);
    expect([await settled(third), await settled(small)]).toEqual([true, false]);
    budget.release(50);
    budget.release(50);
    expect(await settled(small)).toBe(true);
  });
});
