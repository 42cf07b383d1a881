import { describe, expect, it } from 'vitest';
import { backOffSeconds } from './back-off.ts';

describe('the delay after a failed attempt', () => {
  const backOff = { baseSeconds: 2, maxSeconds: 60 };

  it('doubles with every attempt and stops at the maximum', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 100].map((attempt) => backOffSeconds(attempt, backOff, 1))).toEqual([
      2, 4, 8, 16, 32, 60, 60, 60,
    ]);
  });

  it('is between half and all of that, by chance', () => {
    expect(backOffSeconds(3, backOff, 0)).toBe(4);
    expect(backOffSeconds(3, backOff, 0.5)).toBe(6);
  });
});
