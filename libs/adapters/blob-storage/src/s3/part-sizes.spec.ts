import { describe, expect, it } from 'vitest';
import { DEFAULT_PART_BYTES, PART_BYTES_MIN, partBytes, PARTS_MAX, shortPartBytes } from './part-sizes.ts';

const MIB = 1_048_576;
const TIB = MIB * MIB;

describe('sizes of parts', () => {
  it('begin small, so that usual layers need small buffers, and double every 1,000 parts', () => {
    const sizes = [1, 1_000, 1_001, 2_000, 2_001].map(
      (number) => partBytes(number, DEFAULT_PART_BYTES) / MIB,
    );
    expect(sizes).toEqual([8, 8, 16, 16, 32]);
  });

  it('let 10,000 parts hold more than the 5 TiB that an object may have', () => {
    let sum = 0;
    for (let number = 1; number <= PARTS_MAX; number += 1) sum += partBytes(number, DEFAULT_PART_BYTES);
    expect(sum).toBeGreaterThan(5 * TIB);
  });

  it('are never more than the 5 GiB that S3 allows', () => {
    expect(partBytes(PARTS_MAX, 64 * MIB)).toBe(5 * 1_024 * MIB);
  });

  it('let even an upload of short chunks hold more than 1 TiB', () => {
    const numbers = Array.from({ length: PARTS_MAX }, (_, index) => index + 1);
    const sizes = numbers.map((number) => shortPartBytes(number, DEFAULT_PART_BYTES));
    expect(Math.min(...sizes)).toBe(PART_BYTES_MIN);
    expect(numbers.every((number) => (sizes[number - 1] ?? 0) <= partBytes(number, DEFAULT_PART_BYTES))).toBe(
      true,
    );
    expect(sizes.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(TIB);
  });
});
