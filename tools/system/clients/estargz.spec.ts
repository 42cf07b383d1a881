import { gunzipSync } from 'node:zlib';
import { sha256 } from '@sluice/testing';
import { describe, expect, it } from 'vitest';
import { buildStargz, readStargz } from './estargz.ts';

const FILES = [
  { path: 'a.txt', content: 'first' },
  { path: 'b.txt', content: 'second\n'.repeat(400) },
];

/** A range as an HTTP server answers it. */
const rangeOf =
  (bytes: Buffer) =>
  (range: string): Promise<Buffer> => {
    const [, start = '', end = ''] = /^(\d*)-(\d+)$/.exec(range) ?? [];
    return Promise.resolve(
      start === '' ? bytes.subarray(-Number(end)) : bytes.subarray(Number(start), Number(end) + 1),
    );
  };

describe('an eStargz layer', () => {
  it('is one gzip of a tar to whoever reads the whole', async () => {
    const { layer } = await buildStargz(FILES);
    expect(sha256(gunzipSync(layer.bytes))).toBe(layer.diffId);
  });

  it('gives each file to whoever reads ranges', async () => {
    const { layer, tocDigest } = await buildStargz(FILES);
    const files = await readStargz(layer.bytes.length, tocDigest, rangeOf(layer.bytes));
    expect([...files]).toEqual(FILES.map(({ path, content }) => [path, content]));
  });

  it('is refused when its table of contents is not the announced one', async () => {
    const { layer } = await buildStargz(FILES);
    await expect(readStargz(layer.bytes.length, sha256('other'), rangeOf(layer.bytes))).rejects.toThrow(
      'table of contents',
    );
  });
});
