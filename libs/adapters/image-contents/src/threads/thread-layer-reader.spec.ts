import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { InlineLayerReader } from '../inline/index.ts';
import { blobOf, buildTar, file, TAR } from '../testing/index.ts';
import { ThreadLayerReader } from './thread-layer-reader.ts';

const GZIP = `${TAR}+gzip`;
const files = Array.from({ length: 200 }, (_, index) =>
  file(`node_modules/a${index}/package.json`, JSON.stringify({ name: `a${index}`, version: '1.0.0' })),
);
const layer = gzipSync(buildTar([...files, file('large', Buffer.alloc(4 * 2 ** 20, 'x'))]), { level: 0 });

describe('reading layers in threads', () => {
  const reader = new ThreadLayerReader({ threads: 1 });
  afterAll(() => reader.close());

  function options(signal = new AbortController().signal): {
    signal: AbortSignal;
    onBytes(count: number): void;
  } & {
    bytes: number;
  } {
    return {
      bytes: 0,
      signal,
      onBytes(count) {
        this.bytes += count;
      },
    };
  }

  it('gives what reading in place gives, and counts the bytes', async () => {
    const progress = options();
    const inline = await new InlineLayerReader().read(blobOf(layer, GZIP), options());
    expect(await reader.read(blobOf(layer, GZIP, 100_000), progress)).toEqual(inline);
    expect(progress.bytes).toBe(layer.length);
  });

  it('reads one layer after the other when more are asked for than there are threads', async () => {
    const readings = await Promise.all(
      [1, 2, 3].map(() => reader.read(blobOf(layer, GZIP, 500_000), options())),
    );
    expect(readings.map(({ outcome }) => outcome)).toEqual(['cataloged', 'cataloged', 'cataloged']);
  });

  it('opens the blob again when the layer must be read again', async () => {
    const linked = buildTar([
      file('opt/status', 'Package: a\nVersion: 1\n'),
      { name: 'var/lib/dpkg/status', type: '2', linkName: '/opt/status' },
    ]);
    const blob = blobOf(linked);
    expect(await reader.read(blob, options())).toMatchObject({ record: { files: [{ path: 'opt/status' }] } });
    expect(blob.opened).toBe(2);
  });

  it('names what is wrong with a layer', async () => {
    expect(await reader.read(blobOf(layer.subarray(0, -9), GZIP), options())).toMatchObject({
      outcome: 'unreadable',
      reason: expect.stringMatching(/gzip/),
    });
  });

  it('throws what opening or streaming the blob throws, and is of use afterwards', async () => {
    const lost = new Error('connection lost');
    const failing = async function* (): AsyncGenerator<Buffer, void, undefined> {
      yield layer.subarray(0, 1000);
      throw lost;
    };
    const blob = blobOf(layer, GZIP);
    await expect(reader.read({ ...blob, open: async () => failing() }, options())).rejects.toBe(lost);
    await expect(reader.read({ ...blob, open: () => Promise.reject(lost) }, options())).rejects.toBe(lost);
    expect(await reader.read(blob, options())).toMatchObject({ outcome: 'cataloged' });
  });

  it('stops when it is aborted, with the reason, and is of use afterwards', async () => {
    const controller = new AbortController();
    const endless = async function* (): AsyncGenerator<Buffer, void, undefined> {
      yield layer.subarray(0, 1000);
      controller.abort(new Error('cancelled'));
      await new Promise(() => {});
    };
    const blob = { ...blobOf(layer, GZIP), open: async () => endless() };
    await expect(reader.read(blob, options(controller.signal))).rejects.toThrow('cancelled');
    await expect(reader.read(blobOf(layer), options(AbortSignal.abort(new Error('before'))))).rejects.toThrow(
      'before',
    );
    expect(await reader.read(blobOf(layer, GZIP), options())).toMatchObject({ outcome: 'cataloged' });
  });

  it('names a layer partial whose thread runs out of memory, and takes another thread for the next', async () => {
    const small = new ThreadLayerReader({ maxHeapMegabytes: 16 });
    const stanzas = Array.from(
      { length: 99_000 },
      (_, index) => `Package: p${index}\nSource: s${index}\nVersion: 1\n\n`,
    );
    const hungry = buildTar([file('var/lib/dpkg/status', stanzas.join(''))]);
    expect(await small.read(blobOf(hungry, TAR, 2 ** 20), options())).toEqual({
      outcome: 'unreadable',
      state: 'partial',
      reason: expect.stringMatching(/more than the 16 MB of memory/),
    });
    expect(await small.read(blobOf(layer, GZIP), options())).toMatchObject({ outcome: 'cataloged' });
    await small.close();
  }, 30_000);
});
