import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BlobStorageError } from '../errors.ts';
import { signsUrls, wantsLongChunks } from '../index.ts';
import { FileKeys } from './key-file.ts';
import { MemoryKeyEnvelopes } from './memory-key-envelopes.ts';
import { EncryptionLab, from, keyFile } from './testing/lab.ts';

const SEGMENT = 65_536;
const STORED_SEGMENT = SEGMENT + 16;

/** With one nonce used twice, GCM gives away what two plaintexts have in common: their XOR is that of the ciphertexts. */
function share(a: Buffer, b: Buffer): number {
  let same = 0;
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) if (a[at] === b[at]) same += 1;
  return same / Math.min(a.length, b.length);
}

describe('nonces of encrypted uploads', () => {
  it('are fresh when a first append is repeated: even the data key is another one', async () => {
    const lab = new EncryptionLab();
    const begun = lab.begin();
    const content = randomBytes(2 * SEGMENT);
    await lab.append(begun, content);
    await lab.append(begun, content);
    const [one, two] = lab.below.written;
    if (one === undefined || two === undefined) throw new Error('two appends were made');
    expect(one.subarray(16, 32).equals(two.subarray(16, 32))).toBe(false);
    expect(share(one.subarray(32), two.subarray(32))).toBeLessThan(0.02);
  });

  it('are fresh when a later append is repeated with other bytes, also of the segment that both continue', async () => {
    const lab = new EncryptionLab();
    const first = await lab.append(lab.begin(), randomBytes(SEGMENT + 10));
    const content = randomBytes(2 * SEGMENT);
    await lab.append(first, content);
    await lab.append(first, content);
    const [, one, two] = lab.below.written;
    if (one === undefined || two === undefined) throw new Error('three appends were made');
    expect(one).toHaveLength(2 * STORED_SEGMENT);
    expect(share(one, two)).toBeLessThan(0.02);
  });

  it('are fresh when an upload goes on after a finish that came to nothing', async () => {
    const lab = new EncryptionLab();
    const content = randomBytes(1_000);
    const first = await lab.append(lab.begin(), content);
    lab.below.beforeFinish = () => {
      throw new BlobStorageError('STORAGE_FAILED', 'not now');
    };
    await expect(lab.replica().finish(first)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    const second = await lab.append(first);
    await expect(lab.replica().finish(second)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    lab.below.beforeFinish = () => undefined;
    const [one, two] = lab.below.written.filter(({ length }) => length === 1_016);
    if (one === undefined || two === undefined) throw new Error('two ends were written');
    expect(share(one, two)).toBeLessThan(0.1);
    await lab.storage.finish(second);
    expect((await lab.read(second.key)).equals(content)).toBe(true);
  });

  it('are the same only when the same state is finished again, which writes the same bytes', async () => {
    const lab = new EncryptionLab();
    const upload = await lab.append(lab.begin(), randomBytes(SEGMENT + 10));
    lab.below.beforeFinish = () => {
      throw new BlobStorageError('STORAGE_FAILED', 'not now');
    };
    await expect(lab.replica().finish(upload)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    lab.below.beforeFinish = () => undefined;
    await lab.replica().finish(upload);
    const [, one, two] = lab.below.written;
    expect(one).toHaveLength(26);
    expect(two).toEqual(one);
  });
});

describe('an encrypted upload', () => {
  it('leaves nothing plain below, in its state or in its envelope', async () => {
    const lab = new EncryptionLab();
    const secret = Buffer.from('the launch code is 0000 ');
    const content = Buffer.concat(Array.from({ length: 4_000 }, () => secret));
    const upload = await lab.append(lab.begin(), content);
    const kept = JSON.stringify(upload);
    await lab.storage.finish(upload);
    const envelope = await lab.envelopes.find(upload.key);
    const texts = [
      ...lab.below.written.map((bytes) => bytes.toString('latin1')),
      kept,
      ...[...kept.matchAll(/"([A-Za-z0-9+/=]{8,})"/g)].map(([, text]) =>
        Buffer.from(text ?? '', 'base64').toString('latin1'),
      ),
      Buffer.from(envelope?.seal ?? []).toString('latin1'),
    ];
    for (const text of texts) expect(text).not.toContain('launch');
    expect((await lab.read(upload.key)).equals(content)).toBe(true);
  });

  it('is finished once although the answer of the first finish was lost', async () => {
    const lab = new EncryptionLab();
    for (const content of [Buffer.alloc(0), randomBytes(10), randomBytes(2 * SEGMENT)]) {
      for (const upload of [lab.begin(), await lab.append(lab.begin(), content)]) {
        await lab.replica().finish(upload);
        await lab.replica().finish(upload);
        expect(await lab.read(upload.key)).toHaveLength(upload.offset);
      }
    }
  });

  it('stays what it is when a late writer finishes an older state of it', async () => {
    const lab = new EncryptionLab();
    const content = randomBytes(3_000);
    const older = await lab.append(lab.begin(), content.subarray(0, 1_000));
    const newer = await lab.append(older, content.subarray(1_000));
    await lab.replica().finish(newer);
    await expect(lab.replica().finish(older)).rejects.toMatchObject({ code: 'UPLOAD_LOST' });
    expect((await lab.read(newer.key)).equals(content)).toBe(true);
  });

  it('stays as it was when the storage below fails, and goes on from there', async () => {
    const lab = new EncryptionLab();
    const content = randomBytes(3 * SEGMENT);
    const first = await lab.append(lab.begin(), content.subarray(0, SEGMENT + 9));
    lab.below.fullAfter = 1_000;
    await expect(lab.append(first, content.subarray(SEGMENT + 9))).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    });
    lab.below.fullAfter = Infinity;
    const second = await lab.append(first, content.subarray(SEGMENT + 9));
    await lab.storage.finish(second);
    expect((await lab.read(second.key)).equals(content)).toBe(true);
  });

  it('does not take a state of another offset', async () => {
    const lab = new EncryptionLab();
    const upload = await lab.append(lab.begin(), randomBytes(100));
    for (const wrong of [
      { ...upload, offset: 99 },
      { ...upload, state: { version: 2 } },
      { ...upload, state: 'text' },
    ]) {
      await expect(lab.storage.append(wrong, from([Buffer.from('x')]))).rejects.toMatchObject({
        code: 'UPLOAD_LOST',
      });
    }
  });

  it('goes on after the key was rotated, and needs the old key until it is finished', async () => {
    const lab = new EncryptionLab(keyFile({ k1: 'active' }));
    const content = randomBytes(SEGMENT + 5);
    const upload = await lab.append(lab.begin(), content.subarray(0, 700));
    const rotated = lab.replica(keyFile({ k1: 'reading', k2: 'active' }));
    const { offset, state } = await rotated.append(upload, from([content.subarray(700)]));
    await rotated.finish({ key: upload.key, offset, state });
    expect((await lab.read(upload.key, undefined, rotated)).equals(content)).toBe(true);
    const tooEarly = lab.replica(keyFile({ k2: 'active' }));
    await expect(tooEarly.append(upload, from([Buffer.from('x')]))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
    });
  });

  it('is stored under the key of its domain', async () => {
    const keys = FileKeys.of({
      keys: [
        { id: 'shared', domain: '', state: 'active', secret: randomBytes(32) },
        { id: 'acme-1', domain: 'acme', state: 'active', secret: randomBytes(32) },
      ],
    });
    const lab = new EncryptionLab(keys, new MemoryKeyEnvelopes(() => 'acme'));
    const key = await lab.store(Buffer.from('x'));
    expect(await lab.envelopes.find(key)).toMatchObject({ domain: 'acme', keyId: 'acme-1' });
    const unknown = new EncryptionLab(keys, new MemoryKeyEnvelopes(() => 'other'));
    await expect(unknown.append(unknown.begin(), Buffer.from('x'))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: 'there is no active key for the domain "other"',
    });
  });
});

describe('objects from before encryption was switched on', () => {
  it('are read as they are', async () => {
    const lab = new EncryptionLab();
    for (const text of ['', 'x', 'a plain blob that is longer than a header of an encrypted one']) {
      const key = lab.below.newKey();
      await lab.below.replace(key, Buffer.from(text));
      expect((await lab.read(key)).toString()).toBe(text);
      expect(await lab.storage.size(key)).toBe(text.length);
      if (text.length > 8) expect((await lab.read(key, { first: 2, last: 6 })).toString()).toBe('plain');
    }
  });
});

describe('presigned redirects', () => {
  it('are not offered over any storage: its bytes are not those of the blob', async () => {
    const lab = new EncryptionLab();
    Object.assign(lab.below, { signedUrl: async () => 'https://storage.example.com' });
    expect(signsUrls(lab.below)).toBe(true);
    expect(signsUrls(lab.storage)).toBe(false);
  });
});

describe('the length of chunks that a storage likes', () => {
  it('is that of the storage below, where it has one', () => {
    const lab = new EncryptionLab();
    expect(wantsLongChunks(lab.replica())).toBe(false);
    Object.assign(lab.below, { chunkMinBytes: 5_242_880 });
    expect(lab.replica()).toMatchObject({ chunkMinBytes: 5_242_880 });
  });
});
