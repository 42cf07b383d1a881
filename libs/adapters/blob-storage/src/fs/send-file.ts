import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { ObjectRange } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import { type HotPieces, PIECE_BYTES } from './hot-objects.ts';

/** What another thread reads at a time. */
const BUFFER_BYTES = 512 * 1024;
/** A read of a piece from the kernel's memory takes 30 us. One in hundreds takes longer, because the thread has to wait. */
const SLOW_READ_MS = 0.5;
const SLOW_READS_MAX = 3;
/**
 * Bytes left free before a buffer. The C library puts large blocks 16 bytes behind the beginning of a page, which is
 * where processors of AMD (Zen 3) copy from the page cache at a third of their speed; at the next page they are fastest.
 */
const UNUSED_BYTES = 4_080;
/** Buffers that wait for the next transfer: two a transfer, so eight transfers at once find theirs. */
const POOL_MAX = 16;
const pool: Buffer[] = [];

export interface SendOptions {
  /**
   * What this process has of the file in its own memory, when the kernel should have all of these bytes in its. They are
   * read on this thread then, which takes less time than waking another one does, and kept while there is room. When
   * reading turns out to be slow, the rest is read as everything else. Null for a file that nobody has sent lately.
   */
  readonly warm: HotPieces | null;
}

/**
 * Writes a range of a file into a sink, with buffers that are used again. A stream takes a new one for every chunk, and
 * collecting those costs more than reading and sending them.
 *
 * @throws BlobStorageError STORAGE_FAILED when the file ends before the range; what the sink fails with, and an error
 * with the code ERR_STREAM_PREMATURE_CLOSE when it is closed first
 */
export async function sendFile(
  file: FileHandle,
  range: ObjectRange,
  sink: Writable,
  { warm }: SendOptions,
): Promise<void> {
  const writer = new SinkWriter(sink);
  const buffers = [takeBuffer(), takeBuffer()] as const;
  try {
    const first = warm === null ? range.first : await sendWarm(file, range, writer, warm, buffers[0]);
    await sendInTurns(file, { ...range, first }, writer, buffers);
    // After a failure a write may still read from its buffer: those are left to the garbage collector.
    for (const buffer of buffers) if (pool.length < POOL_MAX) pool.push(buffer);
  } finally {
    writer.release();
  }
}

/** Sends from the beginning of the range for as long as reading is fast, and returns where it stopped. */
async function sendWarm(
  file: FileHandle,
  { first, last }: ObjectRange,
  writer: SinkWriter,
  pieces: HotPieces,
  buffer: Buffer,
): Promise<number> {
  let position = first;
  for (let slowReads = 0; position <= last && slowReads < SLOW_READS_MAX;) {
    const length = Math.min(PIECE_BYTES, last - position + 1);
    let part = hotPart(pieces, position, length);
    if (part === null) {
      const startedAt = performance.now();
      part = readWarm(file, position, length, pieces, buffer);
      slowReads = performance.now() - startedAt > SLOW_READ_MS ? slowReads + 1 : 0;
    }
    await writer.write(part);
    position += part.length;
    if (!writer.takesTurns) await setImmediate();
  }
  return position;
}

/** Pieces begin at multiples of their length: no other position gives the number of one. */
function hotPart(pieces: HotPieces, position: number, length: number): Buffer | null {
  const piece = pieces.piece(position / PIECE_BYTES);
  return length === PIECE_BYTES ? piece : (piece?.subarray(0, length) ?? null);
}

function readWarm(
  file: FileHandle,
  position: number,
  length: number,
  pieces: HotPieces,
  buffer: Buffer,
): Buffer {
  const isKept = position % PIECE_BYTES === 0 && length === PIECE_BYTES && pieces.hasRoom();
  const target = isKept ? newBuffer(PIECE_BYTES) : buffer;
  const part = readPart(target, readSync(file.fd, target, 0, length, position));
  if (isKept && part.length === PIECE_BYTES) pieces.keep(position / PIECE_BYTES, part);
  return part;
}

/** Sends with two buffers: one is on its way to the sink while the other is filled. */
async function sendInTurns(
  file: FileHandle,
  { first, last }: ObjectRange,
  writer: SinkWriter,
  buffers: readonly [Buffer, Buffer],
): Promise<void> {
  let written: Promise<void> = Promise.resolve();
  for (let position = first, turn = 0; position <= last; turn ^= 1) {
    const buffer = buffers[turn as 0 | 1];
    const { bytesRead } = await file.read(buffer, 0, Math.min(BUFFER_BYTES, last - position + 1), position);
    // Only one write is under way, so the buffer of the one before this is free again.
    await written;
    written = writer.write(readPart(buffer, bytesRead));
    written.catch(() => undefined);
    position += bytesRead;
  }
  await written;
}

function takeBuffer(): Buffer {
  return pool.pop() ?? newBuffer(BUFFER_BYTES);
}

function newBuffer(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(UNUSED_BYTES + bytes).subarray(UNUSED_BYTES);
}

function readPart(buffer: Buffer, bytesRead: number): Buffer {
  if (bytesRead === 0) {
    throw new BlobStorageError('STORAGE_FAILED', 'the object is shorter than it was when it was stored');
  }
  return buffer.subarray(0, bytesRead);
}

/** Writes one piece after the other. Not every sink tells those who wait for a write that it was closed. */
class SinkWriter {
  /**
   * Whether it is everybody else's turn before a write ends. A socket that takes everything at once says so before the
   * event loop turns; one with TLS always lets it turn first.
   */
  readonly takesTurns: boolean;
  readonly #sink: Writable;
  readonly #onClose = (): void => {
    this.#isClosed = true;
    this.#reject?.(closedEarly());
  };
  #isClosed: boolean;
  #reject: ((error: Error) => void) | null = null;

  constructor(sink: Writable) {
    this.takesTurns = sink instanceof TLSSocket;
    this.#sink = sink;
    this.#isClosed = sink.destroyed;
    sink.once('close', this.#onClose);
  }

  /** Resolves when the sink has passed the bytes on and the buffer may be written again. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(closedEarly());
        return;
      }
      this.#reject = reject;
      this.#sink.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  release(): void {
    this.#sink.off('close', this.#onClose);
  }
}

function closedEarly(): Error {
  return Object.assign(new Error('the sink was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}
