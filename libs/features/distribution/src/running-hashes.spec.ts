import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NativeHash, PortableHash } from './running-hashes.ts';

const algorithm = fc.constantFrom('sha256' as const, 'sha512' as const);

describe('a portable hash', () => {
  it('gives what node:crypto gives, wherever it was written down and resumed', async () => {
    await fc.assert(
      fc.asyncProperty(
        algorithm,
        fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 12 }),
        async (name, chunks) => {
          const expected = createHash(name);
          let hash = await PortableHash.begin(name);
          for (const chunk of chunks) {
            hash.update(chunk);
            expected.update(chunk);
            // As a row of the database gives it back: the same bytes in other memory.
            hash = (await PortableHash.resume(name, Buffer.from(hash.state()))) ?? hash;
            expect(hash.digest()).toBe(`${name}:${expected.copy().digest('hex')}`);
          }
        },
      ),
      { seed: 13, numRuns: 100 },
    );
  });

  it('goes on after its digest was asked for, as the native one does', async () => {
    const [first, second] = [randomBytes(1_000), randomBytes(77)];
    const expected = `sha256:${createHash('sha256').update(first).update(second).digest('hex')}`;
    for (const hash of [await PortableHash.begin('sha256'), new NativeHash('sha256')]) {
      hash.update(first);
      hash.digest();
      hash.update(second);
      expect(hash.digest()).toBe(expected);
    }
  });

  it('is not resumed from what it cannot understand', async () => {
    const state = (await PortableHash.begin('sha256')).state();
    expect(await PortableHash.resume('sha512', state)).toBeUndefined();
    expect(await PortableHash.resume('sha256', state.subarray(1))).toBeUndefined();
    expect(await PortableHash.resume('sha256', new Uint8Array(state.length))).toBeUndefined();
  });
});
