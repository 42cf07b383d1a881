import { describe, expect, it } from 'vitest';
import { WarmObjects } from './warm-objects.ts';

const MINUTE_MS = 60_000;
const GIB = 1024 ** 3;

describe('objects in the memory of the kernel', () => {
  it('are those that were sent within the last minute, as far as they were sent', () => {
    let now = 5;
    const warm = new WarmObjects(() => now);
    warm.sent('one', 999);
    expect([warm.has('one', 999), warm.has('one', 0), warm.has('one', 1_000), warm.has('two', 0)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    now += MINUTE_MS - 1;
    expect(warm.has('one', 999)).toBe(true);
    now += 1;
    expect(warm.has('one', 999)).toBe(false);
    warm.sent('one', 999);
    expect(warm.has('one', 999)).toBe(true);
  });

  it('stay what they are when only their beginning is sent again', () => {
    const warm = new WarmObjects();
    warm.sent('one', 999);
    warm.sent('one', 9);
    expect(warm.has('one', 999)).toBe(true);
  });

  it('are none above a gibibyte, whose end may push out its beginning', () => {
    const warm = new WarmObjects();
    warm.sent('largest', GIB - 1);
    warm.sent('larger', GIB);
    expect([warm.has('largest', GIB - 1), warm.has('larger', GIB)]).toEqual([true, false]);
  });

  it('are bounded in number: what was sent longest ago is forgotten first', () => {
    const warm = new WarmObjects();
    for (let key = 0; key < 10_000; key += 1) warm.sent(String(key), 9);
    warm.sent('0', 9);
    warm.sent('new', 9);
    expect([warm.has('0', 9), warm.has('1', 9), warm.has('2', 9), warm.has('new', 9)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });
});
