import type { FileHandle } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { BatchWriter } from './batch-writer.ts';

const MEBIBYTE = 1024 * 1024;
const CHUNK = Buffer.alloc(MEBIBYTE);

/** A disk that takes its time to sync, and counts what it was given: real ones neither wait nor fail when asked to. */
class SlowDisk {
  written = 0;
  synced = 0;
  syncs = 0;
  mostUnsynced = 0;
  #ends: (() => void)[] = [];
  #failsAt: number;

  constructor(failsAt = Infinity) {
    this.#failsAt = failsAt;
  }

  readonly file = {
    writev: async (batch: readonly Uint8Array[]) => {
      const bytesWritten = batch.reduce((sum, chunk) => sum + chunk.length, 0);
      this.written += bytesWritten;
      this.mostUnsynced = Math.max(this.mostUnsynced, this.written - this.synced);
      return { bytesWritten };
    },
    datasync: async () => {
      const [syncing, covered] = [(this.syncs += 1), this.written];
      await new Promise<void>((resolve) => this.#ends.push(resolve));
      if (syncing === this.#failsAt) throw new Error('the disk is broken');
      this.synced = covered;
    },
  } as unknown as FileHandle;

  endSync(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

async function push(writer: BatchWriter, mebibytes: number): Promise<void> {
  for (let i = 0; i < mebibytes; i += 1) await writer.write(CHUNK);
}

describe('writing in batches', () => {
  const writerOf = (disk: SlowDisk): BatchWriter => new BatchWriter(disk.file, 0, async () => undefined);

  it('syncs while more comes, one sync at a time, and says where it stands', async () => {
    const disk = new SlowDisk();
    const writer = writerOf(disk);
    await push(writer, 300);
    expect([disk.syncs, disk.synced]).toEqual([1, 0]);
    disk.endSync();
    await push(writer, 2);
    expect(disk.syncs).toBe(2);
    disk.endSync();
    expect(await writer.end()).toBe(302 * MEBIBYTE);
  });

  it('takes no more than half a gibibyte that is not synced', async () => {
    const disk = new SlowDisk();
    const writing = push(writerOf(disk), 2_000);
    let isOver = false;
    void writing.then(() => (isOver = true));
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      disk.endSync();
    }
    expect(disk.written).toBeGreaterThan(1_990 * MEBIBYTE);
    expect(disk.mostUnsynced).toBeLessThanOrEqual(514 * MEBIBYTE);
    expect(disk.syncs).toBeGreaterThan(3);
  });

  it.each(['the body goes on', 'the body ends'])(
    'loses no failure of a sync, which the system tells once, when %s',
    async (then) => {
      const disk = new SlowDisk(1);
      const writer = writerOf(disk);
      await push(writer, 200);
      disk.endSync();
      await new Promise((resolve) => setImmediate(resolve));
      await expect(then === 'the body ends' ? writer.end() : push(writer, 2)).rejects.toThrow(
        'the disk is broken',
      );
    },
  );
});
