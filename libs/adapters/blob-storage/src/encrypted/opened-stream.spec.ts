import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BlobStorage, type ObjectRange, sendsItself } from '../blob-storage.ts';
import { FsBlobStorage } from '../fs/index.ts';
import { MemoryBlobStorage } from '../memory/index.ts';
import { EncryptedBlobStorage } from './encrypted-blob-storage.ts';
import { MemoryKeyEnvelopes } from './memory-key-envelopes.ts';
import { from, keyFile } from './testing/lab.ts';

const SEGMENT = 65_536;
const CONTENT = randomBytes(40 * SEGMENT + 123);
const CLOSED = { code: expect.stringMatching(/^ERR_STREAM_(PREMATURE_CLOSE|DESTROYED)$/) as string };

/** Takes its time with every chunk and keeps a copy only then: a buffer that is written again too early shows. */
function slowSink(): { sink: Writable; received: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, taken) {
      setImmediate(() => {
        chunks.push(Buffer.from(chunk));
        taken();
      });
    },
  });
  return { sink, received: () => Buffer.concat(chunks) };
}

describe.each(['a directory', 'memory'])('an encrypted object in %s', (place) => {
  let directory: string;
  let storage: EncryptedBlobStorage;
  let key: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-opened-'));
    const below: BlobStorage =
      place === 'memory' ? new MemoryBlobStorage() : await FsBlobStorage.open(directory);
    storage = EncryptedBlobStorage.over(below, keyFile({ k1: 'active' }), new MemoryKeyEnvelopes());
    key = storage.newKey();
    const { offset, state } = await storage.append({ key, offset: 0, state: null }, from([CONTENT]));
    await storage.finish({ key, offset, state });
  });
  afterAll(async () => rm(directory, { recursive: true }));

  async function send(sink: Writable, range?: ObjectRange): Promise<void> {
    const stream = await storage.read(key, range);
    if (!sendsItself(stream)) throw new Error('it does not send itself');
    await stream.sendTo(sink);
  }

  it('sends itself into a slow sink, byte for byte, and leaves it open', async () => {
    const { sink, received } = slowSink();
    await send(sink);
    expect(received().equals(CONTENT)).toBe(true);
    expect(sink.writable).toBe(true);
    expect(sink.listenerCount('close')).toBe(0);
  });

  it('sends a range', async () => {
    const { sink, received } = slowSink();
    await send(sink, { first: 3 * SEGMENT - 5, last: 20 * SEGMENT });
    expect(received().equals(CONTENT.subarray(3 * SEGMENT - 5, 20 * SEGMENT + 1))).toBe(true);
  });

  it('gives every one of many transfers at once its own bytes', async () => {
    const sinks = Array.from({ length: 8 }, slowSink);
    await Promise.all(sinks.map(({ sink }, n) => send(sink, { first: n, last: CONTENT.length - 1 })));
    for (const [n, { received }] of sinks.entries())
      expect(received().equals(CONTENT.subarray(n))).toBe(true);
  });

  it('ends when the sink is closed, however full it is, or was closed before', async () => {
    const sink = new Writable({ highWaterMark: 1, write: () => undefined });
    const sending = send(sink);
    setTimeout(() => sink.destroy(), 10);
    await expect(sending).rejects.toMatchObject(CLOSED);
    await expect(send(sink)).rejects.toThrow();
  });

  it('fails with what the sink fails with', async () => {
    const sink = new Writable({ write: (_chunk, _encoding, taken) => taken(new Error('the disk is full')) });
    sink.on('error', () => undefined);
    await expect(send(sink)).rejects.toThrow(/the disk is full|closed|destroyed/);
  });
});

describe('an encrypted file that was tampered with', () => {
  it.each([
    [
      'changed',
      (bytes: Buffer) =>
        Buffer.from(bytes.with(32 + 20 * (SEGMENT + 16) + 9, (bytes[32 + 20 * (SEGMENT + 16) + 9] ?? 0) ^ 1)),
    ],
    ['cut', (bytes: Buffer) => bytes.subarray(0, 32 + 20 * (SEGMENT + 16))],
    ['lengthened', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
  ])('is not sent to its end when it was %s', async (_how, change) => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-opened-'));
    try {
      const below = await FsBlobStorage.open(directory);
      const storage = EncryptedBlobStorage.over(below, keyFile({ k1: 'active' }), new MemoryKeyEnvelopes());
      const key = storage.newKey();
      const zeros = Buffer.alloc(CONTENT.length);
      const { offset, state } = await storage.append({ key, offset: 0, state: null }, from([zeros]));
      await storage.finish({ key, offset, state });
      const path = join(directory, 'blobs', key);
      const stored = await readFile(path);
      await writeFile(path, change(stored));
      const { sink, received } = slowSink();
      const stream = await storage.read(key);
      if (!sendsItself(stream)) throw new Error('it does not send itself');
      await expect(stream.sendTo(sink)).rejects.toMatchObject({ code: 'OBJECT_TAMPERED' });
      expect(received().equals(zeros.subarray(0, received().length))).toBe(true);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
