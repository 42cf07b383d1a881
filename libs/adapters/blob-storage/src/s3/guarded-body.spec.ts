import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GuardedBody } from './guarded-body.ts';

const FAILED = { code: 'STORAGE_FAILED' };

describe('the body of a stored object', () => {
  it('that comes whole is given on', async () => {
    const source = Readable.from([Buffer.from('abc'), Buffer.from('def')]);
    expect((await buffer(new GuardedBody(source, 6, 1_000))).toString()).toBe('abcdef');
    expect(await buffer(new GuardedBody(Readable.from([]), 0, 1_000))).toHaveLength(0);
  });

  it.each([
    ['shorter', 7],
    ['longer', 5],
  ])('that is %s than promised is an error at its end', async (_, bytes) => {
    const source = Readable.from([Buffer.from('abcdef')]);
    await expect(buffer(new GuardedBody(source, bytes, 1_000))).rejects.toMatchObject(FAILED);
  });

  it('that breaks off is an error, and never a short success', async () => {
    const source = new PassThrough();
    const body = new GuardedBody(source, 6, 1_000);
    source.write('abc');
    setTimeout(() => source.destroy(), 5);
    await expect(buffer(body)).rejects.toMatchObject(FAILED);
  });

  it('that does not go on is an error in time, and its connection is freed', async () => {
    const source = new PassThrough();
    source.write('abc');
    await expect(buffer(new GuardedBody(source, 6, 30))).rejects.toMatchObject({
      ...FAILED,
      message: expect.stringContaining('nothing for 0.03 s') as string,
      detail: '3 of 6 bytes arrived',
    });
    expect(source.destroyed).toBe(true);
  });

  it('waits for a slow reader as long as it takes', async () => {
    const content = Buffer.alloc(4 * 1_048_576, 1);
    const chunks = Array.from({ length: 64 }, (__, index) =>
      content.subarray(index * 65_536, (index + 1) * 65_536),
    );
    const body: Readable = new GuardedBody(Readable.from(chunks), content.length, 20);
    let received = 0;
    for await (const chunk of body) {
      if (received === 0) await sleep(80);
      received += (chunk as Buffer).length;
    }
    expect(received).toBe(content.length);
  });

  it('that a reader gives up frees its connection', async () => {
    const source = new PassThrough();
    source.write('abc');
    const body: Readable = new GuardedBody(source, 6, 1_000);
    for await (const chunk of body) {
      expect(chunk).toHaveLength(3);
      break;
    }
    expect(source.destroyed).toBe(true);
  });
});
