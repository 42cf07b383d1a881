import { describe, expect, it } from 'vitest';
import { lendChunk, releaseChunk } from './lent-chunks.ts';

describe('a lent chunk', () => {
  it('is given back once, however often it is released', () => {
    let returned = 0;
    const chunk = new Uint8Array(8);
    lendChunk(chunk, () => (returned += 1));
    releaseChunk(chunk);
    releaseChunk(chunk);
    expect(returned).toBe(1);
  });

  it('may be any chunk: those that nobody lent are left alone', () => {
    expect(() => releaseChunk(new Uint8Array(8))).not.toThrow();
  });
});
