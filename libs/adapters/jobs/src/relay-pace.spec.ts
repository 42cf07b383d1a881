import { describe, expect, it } from 'vitest';
import { RelayPace } from './relay-pace.ts';

/** The times of the passes when an event comes every so many ms: each event after a pass wants the next one. */
function passesOf(pace: RelayPace, from: number, to: number, everyMs: number): number[] {
  const passes: number[] = [];
  for (let now = from; now < to; now += everyMs) {
    if (now < (passes.at(-1) ?? -Infinity)) continue;
    passes.push(now + pace.waitOf(now));
  }
  return passes;
}

describe('the pace of the relay', () => {
  it('lets events that come one at a time wait for nothing', () => {
    expect(passesOf(new RelayPace(), 0, 5_000, 500)).toEqual([
      0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500,
    ]);
  });

  it('makes fewer passes the longer a load goes on, never more than 100 ms apart', () => {
    const passes = passesOf(new RelayPace(), 0, 10_000, 10);
    expect(passes.slice(0, 5)).toEqual([0, 25, 75, 175, 275]);
    const gaps = passes.slice(1).map((pass, index) => pass - (passes[index] ?? 0));
    expect(Math.max(...gaps)).toBe(100);
    expect(passes.length).toBeLessThan(110);
  });

  it('forgets the load after a pause', () => {
    const pace = new RelayPace();
    const last = passesOf(pace, 0, 5_000, 10).at(-1) ?? 0;
    expect(passesOf(pace, last + 300, last + 320, 10)).toEqual([last + 300, last + 325]);
  });

  it('waits for nothing while there is more than a pass takes', () => {
    const pace = new RelayPace();
    passesOf(pace, 0, 1_000, 10);
    pace.hurry();
    expect(pace.waitOf(1_001)).toBe(0);
  });
});
