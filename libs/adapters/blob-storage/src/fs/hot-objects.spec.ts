import { describe, expect, it, vi } from 'vitest';
import { HotObjects, PIECE_BYTES } from './hot-objects.ts';

const MINUTE_MS = 60_000;

/** A piece that is told from others by its bytes. */
function pieceOf(byte: number): Buffer {
  return Buffer.alloc(PIECE_BYTES, byte);
}

describe('objects in the memory of this process', () => {
  it('are found by key and number of the piece, by everybody who sends them', () => {
    const hot = new HotObjects();
    const [one, two] = [pieceOf(1), pieceOf(2)];
    hot.of('a').keep(0, one);
    hot.of('a').keep(7, two);
    expect(hot.of('a').piece(0)).toBe(one);
    expect(hot.of('a').piece(7)).toBe(two);
    expect([hot.of('a').piece(1), hot.of('b').piece(0)]).toEqual([null, null]);
    expect(hot.bytes).toBe(2 * PIECE_BYTES);
  });

  it('hold a piece once, however many transfers read it at the same time', () => {
    const hot = new HotObjects();
    const first = pieceOf(1);
    hot.of('a').keep(0, first);
    hot.of('a').keep(0, pieceOf(1));
    expect(hot.of('a').piece(0)).toBe(first);
    expect(hot.bytes).toBe(PIECE_BYTES);
  });

  it('have room for so many bytes of all objects together, and what is kept does not make way', () => {
    const hot = new HotObjects(3 * PIECE_BYTES - 1);
    expect(hot.of('a').hasRoom()).toBe(true);
    hot.of('a').keep(0, pieceOf(1));
    expect(hot.of('b').hasRoom()).toBe(true);
    hot.of('b').keep(0, pieceOf(1));
    expect([hot.of('a').hasRoom(), hot.of('b').hasRoom()]).toEqual([false, false]);
    hot.drop('a');
    expect([hot.of('a').piece(0), hot.of('b').hasRoom(), hot.bytes]).toEqual([null, true, PIECE_BYTES]);
  });

  it('are given back when nobody has asked for them for a minute', () => {
    let now = 0;
    const hot = new HotObjects(2 * PIECE_BYTES, () => now);
    hot.of('a').keep(0, pieceOf(1));
    hot.of('b').keep(0, pieceOf(2));
    now = MINUTE_MS - 1;
    hot.expire();
    expect(hot.bytes).toBe(2 * PIECE_BYTES);
    expect(hot.of('b').piece(0)).not.toBeNull();
    now = MINUTE_MS;
    hot.expire();
    expect([hot.of('a').piece(0), hot.bytes, hot.of('a').hasRoom()]).toEqual([null, PIECE_BYTES, true]);
    now = 2 * MINUTE_MS;
    hot.expire();
    expect(hot.bytes).toBe(0);
  });

  it('are given back without being asked, as time goes by', () => {
    vi.useFakeTimers();
    try {
      const hot = new HotObjects();
      hot.of('a').keep(0, pieceOf(1));
      vi.advanceTimersByTime(2 * MINUTE_MS);
      expect([hot.bytes, vi.getTimerCount()]).toEqual([0, 0]);
      hot.of('a').keep(0, pieceOf(1));
      vi.advanceTimersByTime(2 * MINUTE_MS);
      expect(hot.bytes).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
