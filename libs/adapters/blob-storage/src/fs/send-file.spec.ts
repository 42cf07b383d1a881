import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HotObjects, PIECE_BYTES } from './hot-objects.ts';
import { sendFile } from './send-file.ts';

const CONTENT = randomBytes(3_500_000);
const WHOLE = { first: 0, last: CONTENT.length - 1 };

/** Takes its time with every chunk and keeps a copy only then: a buffer that is written again too early shows. */
function slowSink(): { sink: Writable; received: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, taken) {
      setTimeout(() => {
        chunks.push(Buffer.from(chunk));
        taken();
      }, 2);
    },
  });
  return { sink, received: () => Buffer.concat(chunks) };
}

let directory: string;
let file: FileHandle;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sluice-send-'));
  await writeFile(join(directory, 'object'), CONTENT);
  file = await open(join(directory, 'object'));
});
afterAll(async () => {
  await file.close();
  await rm(directory, { recursive: true });
});

const hot = new HotObjects();
const cramped = new HotObjects(2 * PIECE_BYTES);
describe.each([
  ['that is read by another thread', null],
  ['that is in the memory of the kernel', new HotObjects(0).of('object')],
  ['that is kept in memory while it is sent', hot.of('object')],
  ['that is in memory since it was sent before', hot.of('object')],
  ['of which a part is in memory', cramped.of('object')],
])('sending a file %s', (_, warm) => {
  it('writes every byte once and in order, never touching a buffer that is still under way', async () => {
    const { sink, received } = slowSink();
    await sendFile(file, WHOLE, sink, { warm });
    expect(received().equals(CONTENT)).toBe(true);
  });

  it('writes a range, both ends counted, and leaves the sink open', async () => {
    const { sink, received } = slowSink();
    await sendFile(file, { first: 1_000, last: 700_000 }, sink, { warm });
    expect(received().equals(CONTENT.subarray(1_000, 700_001))).toBe(true);
    expect(sink.writable).toBe(true);
  });

  it('gives every one of many transfers at once its own bytes', async () => {
    const sinks = Array.from({ length: 12 }, slowSink);
    await Promise.all(sinks.map(({ sink }, n) => sendFile(file, { ...WHOLE, first: n }, sink, { warm })));
    for (const [n, { received }] of sinks.entries())
      expect(received().equals(CONTENT.subarray(n))).toBe(true);
  });

  it('ends when the sink is closed, however full it is', async () => {
    const sink = new PassThrough();
    const sending = sendFile(file, WHOLE, sink, { warm });
    await sleep(20);
    sink.destroy();
    await expect(sending).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_STREAM_(PREMATURE_CLOSE|DESTROYED)$/) as string,
    });
    await expect(sendFile(file, { first: 0, last: 10 }, sink, { warm })).rejects.toThrow();
  });

  it('fails when the file is shorter than promised, and does not pretend to have sent it', async () => {
    await expect(
      sendFile(file, { first: 0, last: CONTENT.length }, slowSink().sink, { warm }),
    ).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });
});

describe('a file in the memory of the kernel', () => {
  it.each([
    ['to its end while that is fast', 0, false],
    ['no further when that turns out to be slow, and the rest by another one', 1, true],
  ])('is read on this thread %s', async (_, eachReadMs, isReadElsewhere) => {
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += eachReadMs));
    const elsewhere = vi.spyOn(file, 'read');
    const { sink, received } = slowSink();
    try {
      await sendFile(file, WHOLE, sink, { warm: new HotObjects(0).of('object') });
      expect(received().equals(CONTENT)).toBe(true);
      expect(elsewhere.mock.calls.length > 0).toBe(isReadElsewhere);
    } finally {
      clock.mockRestore();
      elsewhere.mockRestore();
    }
  });

  it('is read once while there is room for it: whoever sends it next has it in memory', async () => {
    const path = join(directory, 'changing');
    await writeFile(path, CONTENT);
    const changing = await open(path);
    try {
      const objects = new HotObjects(5 * PIECE_BYTES);
      const send = async (range: { first: number; last: number }): Promise<Buffer> => {
        const { sink, received } = slowSink();
        await sendFile(changing, range, sink, { warm: objects.of('changing') });
        return received();
      };
      expect((await send(WHOLE)).equals(CONTENT)).toBe(true);
      expect(objects.bytes).toBe(5 * PIECE_BYTES);
      const other = randomBytes(CONTENT.length);
      await writeFile(path, other);
      const kept = Buffer.concat([
        CONTENT.subarray(0, 5 * PIECE_BYTES),
        other.subarray(5 * PIECE_BYTES, CONTENT.length),
      ]);
      expect((await send(WHOLE)).equals(kept)).toBe(true);
      // Ranges: of pieces, the last of them in part, and one that begins within a piece.
      const range = { first: PIECE_BYTES, last: 3 * PIECE_BYTES + 10 };
      expect((await send(range)).equals(kept.subarray(range.first, range.last + 1))).toBe(true);
      const within = await send({ first: 10, last: PIECE_BYTES - 1 });
      expect(within.equals(other.subarray(10, PIECE_BYTES))).toBe(true);
    } finally {
      await changing.close();
    }
  });

  it('is not kept by a transfer that begins within a piece, nor for its end', async () => {
    const objects = new HotObjects();
    const { sink, received } = slowSink();
    await sendFile(file, { ...WHOLE, first: 10 }, sink, { warm: objects.of('object') });
    expect(received().equals(CONTENT.subarray(10))).toBe(true);
    expect(objects.bytes).toBe(0);
    await sendFile(file, WHOLE, slowSink().sink, { warm: objects.of('object') });
    expect(objects.bytes).toBe(Math.floor(CONTENT.length / PIECE_BYTES) * PIECE_BYTES);
  });

  it('is sent in turn with everything else, also when the sink takes each piece at once', async () => {
    const sink = new Writable({
      write(_chunk, _encoding, taken) {
        taken();
      },
    });
    const turns = await turnsDuring(() =>
      sendFile(file, WHOLE, sink, { warm: new HotObjects(0).of('object') }),
    );
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  it('is sent in turn with everything else over TLS, to a client that reads as fast as it can', async () => {
    const { server: sink, client } = await tlsPair();
    const received = buffer(client);
    const turns = await turnsDuring(() =>
      sendFile(file, WHOLE, sink, { warm: new HotObjects(0).of('object') }),
    );
    expect(turns).toBeGreaterThanOrEqual(10);
    sink.end();
    expect((await received).equals(CONTENT)).toBe(true);
  });
});

/** How often the event loop turns meanwhile. */
async function turnsDuring(action: () => Promise<void>): Promise<number> {
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  await action();
  clearImmediate(next);
  return turns;
}

/** Both ends of a connection with TLS; a key that both know saves the certificate. */
async function tlsPair(): Promise<{ server: TLSSocket; client: TLSSocket }> {
  const psk = randomBytes(16);
  const options = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
  const listener = createServer({ ...options, pskCallback: () => psk }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect({
    ...options,
    port: (listener.address() as AddressInfo).port,
    pskCallback: () => ({ psk, identity: 'client' }),
    checkServerIdentity: () => undefined,
  });
  const [server] = (await once(listener, 'secureConnection')) as [TLSSocket];
  listener.close();
  return { server, client };
}
