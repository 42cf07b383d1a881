import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EncryptionLab } from './testing/lab.ts';

const SEGMENT = 65_536;
const STORED_SEGMENT = SEGMENT + 16;
const CONTENT = randomBytes(5 * SEGMENT);
const SIZES = [
  0,
  1,
  2,
  SEGMENT - 1,
  SEGMENT,
  SEGMENT + 1,
  2 * SEGMENT - 1,
  2 * SEGMENT,
  3 * SEGMENT,
  3 * SEGMENT + 7,
];

const size = fc.oneof(
  fc.constantFrom(...SIZES),
  fc.integer({ min: 0, max: CONTENT.length }),
  fc.integer({ min: 0, max: 300 }),
);
/** Offsets that lie near the boundary of a segment more often than chance would have it. */
const offset = fc.oneof(
  fc.integer({ min: 0, max: CONTENT.length }),
  fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: -2, max: 2 }))
    .map(([segment, beside]) => Math.max(0, segment * SEGMENT + beside)),
);

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].toSorted((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end));
}

describe('what is stored encrypted', () => {
  it('reads like plain slices: any size, any appends on any replicas, any range', async () => {
    const lab = new EncryptionLab();
    await fc.assert(
      fc.asyncProperty(
        size,
        fc.array(offset, { maxLength: 4 }),
        fc.array(fc.tuple(offset, offset), { minLength: 1, maxLength: 8 }),
        async (bytes, cuts, ranges) => {
          const content = CONTENT.subarray(0, bytes);
          const key = await lab.store(...split(content, cuts));
          const replica = lab.replica();
          expect(await replica.size(key)).toBe(bytes);
          expect((await lab.read(key, undefined, replica)).equals(content)).toBe(true);
          if (bytes === 0) return;
          for (const [one, other] of ranges) {
            const first = Math.min(one, other, bytes - 1);
            const last = Math.min(Math.max(one, other), bytes - 1);
            const slice = await lab.read(key, { first, last }, replica);
            expect(slice.equals(content.subarray(first, last + 1))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('cuts a body into the same segments however it comes, byte by byte too', async () => {
    const lab = new EncryptionLab();
    await fc.assert(
      fc.asyncProperty(fc.array(offset, { maxLength: 30 }), async (cuts) => {
        const upload = await lab.append(lab.begin(), ...split(CONTENT, cuts));
        await lab.storage.finish(upload);
        expect((await lab.read(upload.key)).equals(CONTENT)).toBe(true);
      }),
      { numRuns: 20 },
    );
    const bytes = Array.from({ length: 70_000 }, (_, index) => CONTENT.subarray(index, index + 1));
    const upload = await lab.append(lab.begin(), ...bytes);
    await lab.storage.finish(upload);
    expect((await lab.read(upload.key)).equals(CONTENT.subarray(0, 70_000))).toBe(true);
  });

  it.each(SIZES)('takes 32 bytes and 16 a segment more than its %i bytes', async (bytes) => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT.subarray(0, bytes));
    expect(await lab.below.size(key)).toBe(32 + bytes + 16 * Math.max(1, Math.ceil(bytes / SEGMENT)));
  });

  it('fetches the segments of a range and nothing else', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    lab.below.ranges.length = 0;
    await lab.read(key, { first: 2 * SEGMENT + 5, last: 3 * SEGMENT });
    expect(lab.below.ranges).toEqual([{ first: 32 + 2 * STORED_SEGMENT, last: 32 + 4 * STORED_SEGMENT - 1 }]);
  });

  it('finishes with one segment at most, whatever the size', async () => {
    const lab = new EncryptionLab();
    const upload = await lab.append(lab.begin(), CONTENT);
    lab.below.written.length = 0;
    await lab.storage.finish(upload);
    expect(lab.below.written.map((bytes) => bytes.length)).toEqual([STORED_SEGMENT]);
  });
});
