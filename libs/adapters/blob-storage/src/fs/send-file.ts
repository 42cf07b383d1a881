import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { BlobStorageError } from '../errors.ts';

const BUFFER_BYTES = 512 * 1024;
/**
 * Bytes left free before a buffer. The C library puts large blocks 16 bytes behind the beginning of a page, which is
 * where processors of AMD (Zen 3) copy from the page cache at a third of their speed; 64 bytes behind it they do not.
 */
const UNUSED_BYTES = 48;
/** Buffers that wait for the next transfer: two a transfer, so eight transfers at once find theirs. */
const POOL_MAX = 16;
const pool: Buffer[] = [];

/**
 * Writes the bytes `first` to `last` of a file into a sink with two buffers in turn: one is on its way to the sink
 * while the other is filled. A stream takes a new buffer for every chunk, and collecting those costs more than
 * reading and sending them.
 *
 * @throws BlobStorageError STORAGE_FAILED when the file ends before `last`; what the sink fails with, and an error with
 * the code ERR_STREAM_PREMATURE_CLOSE when it is closed first
 */
export async function sendFile(file: FileHandle, first: number, last: number, sink: Writable): Promise<void> {
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => undefined);
  const onClose = (): void =>
    closed.reject(Object.assign(new Error('the sink was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }));
  sink.once('close', onClose);
  if (sink.destroyed) onClose();
  const buffers = [takeBuffer(), takeBuffer()] as const;
  try {
    let written: Promise<void> = Promise.resolve();
    for (let position = first, turn = 0; position <= last; turn ^= 1) {
      const buffer = buffers[turn as 0 | 1];
      const { bytesRead } = await file.read(buffer, 0, Math.min(BUFFER_BYTES, last - position + 1), position);
      if (bytesRead === 0) {
        throw new BlobStorageError('STORAGE_FAILED', 'the object is shorter than it was when it was stored');
      }
      // Only one write is under way, so the buffer of the one before this is free again.
      await Promise.race([written, closed.promise]);
      written = write(sink, buffer.subarray(0, bytesRead));
      written.catch(() => undefined);
      position += bytesRead;
    }
    await Promise.race([written, closed.promise]);
    // After a failure a write may still read from its buffer: those are left to the garbage collector.
    for (const buffer of buffers) if (pool.length < POOL_MAX) pool.push(buffer);
  } finally {
    sink.off('close', onClose);
  }
}

function takeBuffer(): Buffer {
  return pool.pop() ?? Buffer.allocUnsafeSlow(UNUSED_BYTES + BUFFER_BYTES).subarray(UNUSED_BYTES);
}

/** Resolves when the sink has passed the bytes on and the buffer may be written again. */
function write(sink: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
