import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

describe('the pace of a limited kind without Redis', () => {
  it('lets at most max jobs start within the time, and others again when it is over', () => {
    const pace = new Pace({ slow: { max: 2, seconds: 1 } });
    expect(pace.room('slow', 0)).toBe(2);
    pace.started('slow', 0);
    pace.started('slow', 400);
    expect(pace.room('slow', 999)).toBe(0);
    expect(pace.room('slow', 1000)).toBe(1);
    expect(pace.room('slow', 1400)).toBe(2);
  });

  it('does not limit other kinds', () => {
    const pace = new Pace({ slow: { max: 1, seconds: 1 } });
    pace.started('fast', 0);
    expect(pace.room('fast', 0)).toBe(Infinity);
    expect(pace.isLimited('fast')).toBe(false);
  });
});
