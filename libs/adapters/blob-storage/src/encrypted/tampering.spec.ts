import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { headerOf } from './layout.ts';
import { ObjectCipher, SEGMENT_INDEX_MAX } from './object-cipher.ts';
import { SegmentWriter } from './segment-writer.ts';
import { EncryptionLab, keyFile } from './testing/lab.ts';

const HEADER = 32;
const SEGMENT = 65_536;
const STORED_SEGMENT = SEGMENT + 16;
const CONTENT = randomBytes(3 * SEGMENT + 1_000);

const TAMPERED = { code: 'OBJECT_TAMPERED' };

function segment(stored: Buffer, index: number): Buffer {
  return stored.subarray(HEADER + index * STORED_SEGMENT, HEADER + (index + 1) * STORED_SEGMENT);
}

describe('tampering with what is stored encrypted', () => {
  async function tamper(change: (stored: Buffer) => Buffer): Promise<{ bytes: Buffer; failure: unknown }> {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    await lab.below.replace(key, change(await lab.below.bytes(key)));
    const result = await lab.readUntilFailure(key);
    expect(CONTENT.subarray(0, result.bytes.length).equals(result.bytes)).toBe(true);
    return result;
  }
  const flip =
    (at: number) =>
    (stored: Buffer): Buffer => {
      const copy = Buffer.from(stored);
      copy[at] = (copy[at] ?? 0) ^ 0x01;
      return copy;
    };

  it.each([
    ['the magic of the header', 0],
    ['the version', 6],
    ['the algorithm', 7],
    ['the size of segments', 8],
    ['the salt', 31],
    ['the first byte', HEADER],
    ['the tag of the first segment', HEADER + SEGMENT],
  ])('a changed bit in %s is found before a byte is handed over', async (_what, at) => {
    const { bytes, failure } = await tamper(flip(at));
    expect(failure).toMatchObject(TAMPERED);
    expect(bytes).toHaveLength(0);
  });

  it('a changed bit in a later segment keeps that segment back', async () => {
    const { bytes, failure } = await tamper(flip(HEADER + 2 * STORED_SEGMENT + 77));
    expect(failure).toMatchObject({ ...TAMPERED, message: 'segment 2 of the object is not what was stored' });
    expect(bytes.length).toBeLessThanOrEqual(2 * SEGMENT);
  });

  it.each([
    ['nothing', 0],
    ['the header only', HEADER],
    ['no last segment', HEADER + 3 * STORED_SEGMENT],
    ['half a segment', HEADER + STORED_SEGMENT + 500],
    ['one byte less', HEADER + 3 * STORED_SEGMENT + 1_000 + 15],
  ])('an object cut off to %s is not taken for the whole', async (_what, length) => {
    expect((await tamper((stored) => stored.subarray(0, length))).failure).toMatchObject(TAMPERED);
  });

  it('an object that goes on behind its end is refused', async () => {
    const { failure } = await tamper((stored) => Buffer.concat([stored, Buffer.from('x')]));
    expect(failure).toMatchObject(TAMPERED);
  });

  it('segments in another order are refused', async () => {
    const { bytes, failure } = await tamper((stored) =>
      Buffer.concat([
        stored.subarray(0, HEADER),
        segment(stored, 1),
        segment(stored, 0),
        stored.subarray(HEADER + 2 * STORED_SEGMENT),
      ]),
    );
    expect(failure).toMatchObject(TAMPERED);
    expect(bytes).toHaveLength(0);
  });

  it('a segment in the place of the last one is refused, and the last one in the place of another', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT.subarray(0, 2 * SEGMENT));
    const stored = await lab.below.bytes(key);
    for (const order of [
      [0, 0],
      [1, 1],
      [1, 0],
    ]) {
      const parts = order.map((index) => segment(stored, index));
      await lab.below.replace(key, Buffer.concat([stored.subarray(0, HEADER), ...parts]));
      expect((await lab.readUntilFailure(key)).failure).toMatchObject(TAMPERED);
    }
  });

  it('a range of a changed segment is refused, one beside it is not', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    await lab.below.replace(key, flip(HEADER + STORED_SEGMENT + 9)(await lab.below.bytes(key)));
    const beside = await lab.readUntilFailure(key, { first: 2 * SEGMENT, last: 2 * SEGMENT + 10 });
    expect(beside.bytes.equals(CONTENT.subarray(2 * SEGMENT, 2 * SEGMENT + 11))).toBe(true);
    const inside = await lab.readUntilFailure(key, { first: 2 * SEGMENT - 1, last: 2 * SEGMENT + 10 });
    expect(inside).toMatchObject({ failure: TAMPERED });
    expect(inside.bytes).toHaveLength(0);
  });

  it('an object in the place of another one is refused, with its own envelope too', async () => {
    const lab = new EncryptionLab();
    const [key, other] = [await lab.store(CONTENT), await lab.store(CONTENT)];
    await lab.below.replace(key, await lab.below.bytes(other));
    expect((await lab.readUntilFailure(key)).failure).toMatchObject(TAMPERED);
    const envelope = await lab.envelopes.find(other);
    if (envelope === null) throw new Error('no envelope');
    await lab.envelopes.put(key, envelope);
    expect((await lab.readUntilFailure(key)).failure).toMatchObject(TAMPERED);
  });

  it('a segment of an append that was repeated cannot take the place of its successor', async () => {
    const lab = new EncryptionLab();
    const first = await lab.append(lab.begin(), CONTENT.subarray(0, SEGMENT));
    await lab.append(first, randomBytes(2 * SEGMENT));
    const discarded = lab.below.written.at(-1) ?? Buffer.alloc(0);
    const second = await lab.append(first, CONTENT.subarray(SEGMENT));
    await lab.storage.finish(second);
    const stored = await lab.below.bytes(second.key);
    expect(discarded).toHaveLength(2 * STORED_SEGMENT);
    const spliced = Buffer.concat([
      stored.subarray(0, HEADER + STORED_SEGMENT),
      discarded.subarray(STORED_SEGMENT),
      stored.subarray(HEADER + 2 * STORED_SEGMENT),
    ]);
    expect(spliced).toHaveLength(stored.length);
    await lab.below.replace(second.key, spliced);
    const { bytes, failure } = await lab.readUntilFailure(second.key);
    expect(failure).toMatchObject(TAMPERED);
    expect(bytes.length).toBeLessThanOrEqual(SEGMENT);
  });

  it('an earlier state of the upload, finished or not, is not taken for the object', async () => {
    const lab = new EncryptionLab();
    const first = await lab.append(lab.begin(), CONTENT.subarray(0, 2_000));
    lab.below.beforeFinish = () => {
      throw new Error('the process dies');
    };
    await expect(lab.replica().finish(first)).rejects.toThrow('the process dies');
    lab.below.beforeFinish = () => undefined;
    const header = lab.below.written.at(-2)?.subarray(0, HEADER) ?? Buffer.alloc(0);
    const early = Buffer.concat([header, lab.below.written.at(-1) ?? Buffer.alloc(0)]);
    const second = await lab.append(first, CONTENT.subarray(2_000, 4_000));
    await lab.storage.finish(second);
    expect((await lab.below.bytes(second.key)).subarray(0, HEADER).equals(header)).toBe(true);
    await lab.below.replace(second.key, early);
    expect((await lab.readUntilFailure(second.key)).failure).toMatchObject(TAMPERED);
  });

  it('a changed envelope is refused', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    const envelope = await lab.envelopes.find(key);
    if (envelope === null) throw new Error('no envelope');
    const changed = flip(40);
    for (const damaged of [
      { ...envelope, seal: changed(Buffer.from(envelope.seal)) },
      { ...envelope, seal: envelope.seal.subarray(0, 50) },
      { ...envelope, wrapped: changed(Buffer.from(envelope.wrapped)) },
      { ...envelope, wrapped: envelope.wrapped.subarray(0, 20) },
      { ...envelope, domain: 'other' },
    ]) {
      await lab.envelopes.put(key, damaged);
      await expect(lab.read(key)).rejects.toMatchObject(TAMPERED);
    }
  });

  it('says which key is missing', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    await expect(lab.read(key, undefined, lab.replica(keyFile({ k2: 'active' })))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: 'the key "k1" is not in the key file',
    });
  });

  it('never hands over ciphertext when the envelope is lost', async () => {
    const lab = new EncryptionLab();
    const key = await lab.store(CONTENT);
    await lab.envelopes.remove(key);
    await expect(lab.read(key)).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
    await expect(lab.read(key, { first: 100, last: 200 })).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
  });
});

describe('the counter of segments', () => {
  it('counts up to 2^32 segments and refuses one more instead of beginning again', () => {
    const cipher = new ObjectCipher(randomBytes(32), headerOf(randomBytes(16)), 'key');
    const writer = new SegmentWriter(cipher, randomBytes(7), SEGMENT_INDEX_MAX);
    expect([...writer.push(Buffer.alloc(SEGMENT + 1))]).not.toHaveLength(0);
    expect(() => [...writer.push(Buffer.alloc(SEGMENT))]).toThrow('at most 2^32 segments');
    const place = { prefix: randomBytes(7), index: SEGMENT_INDEX_MAX + 1, isLast: true };
    expect(() => cipher.sealSegment(place, [Buffer.alloc(1)])).toThrow('at most 2^32 segments');
  });
});
