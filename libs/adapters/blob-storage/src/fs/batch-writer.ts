import type { FileHandle } from 'node:fs/promises';
import { releaseChunk } from '../lent-chunks.ts';

/** One write of this size costs the disk and the event loop less than sixteen of the 64 KiB that a socket gives. */
const BATCH_BYTES = 1024 * 1024;
/** A socket may give one byte at a time, each holding on to 64 KiB of memory. */
const BATCH_CHUNKS = 64;
/** The disk begins to work while bytes still come, so that little is left to sync at the end. */
const SYNC_BYTES = 64 * 1024 * 1024;

/**
 * Writes chunks at rising positions of a file, one batch on its way to the disk while the next one is collected, and
 * releases them.
 */
export class BatchWriter {
  readonly #file: FileHandle;
  readonly #beforeWrite: () => Promise<void>;
  #position: number;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  #toSync = 0;

  /** @param beforeWrite asked before every write; nothing is written when it throws */
  constructor(file: FileHandle, position: number, beforeWrite: () => Promise<void>) {
    this.#file = file;
    this.#position = position;
    this.#beforeWrite = beforeWrite;
  }

  /** Takes the chunk over. Resolves when there is room for the next; rejects when an earlier write failed. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#batch.push(chunk);
    this.#batchBytes += chunk.length;
    if (this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_CHUNKS) await this.#flush();
  }

  /** Writes what is left. Returns the position behind the last byte. */
  async end(): Promise<number> {
    await this.#flush();
    await this.#inFlight;
    await this.#syncing;
    return this.#position;
  }

  async #flush(): Promise<void> {
    await this.#inFlight;
    const [batch, position] = [this.#batch, this.#position];
    this.#position += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    await this.#beforeWrite();
    this.#inFlight = writeFully(this.#file, batch, position);
    // Its failure is told by the next flush; until then nobody waits for it.
    this.#inFlight.catch(() => undefined);
    this.#toSync += batch.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.#toSync >= SYNC_BYTES) await this.#startSync();
  }

  async #startSync(): Promise<void> {
    this.#toSync = 0;
    await this.#syncing;
    // What the kernel could not write it says once: the failure must not get lost before the end.
    this.#syncing = this.#file.datasync();
    this.#syncing.catch(() => undefined);
  }
}

/** A disk that fills up takes a part of a write and fails at the next. */
async function writeFully(file: FileHandle, batch: readonly Uint8Array[], position: number): Promise<void> {
  let rest = batch;
  for (let at = position; rest.length > 0;) {
    const { bytesWritten } = await file.writev([...rest], at);
    at += bytesWritten;
    rest = skip(rest, bytesWritten);
  }
  for (const chunk of batch) releaseChunk(chunk);
}

function skip(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let toSkip = bytes;
  let index = 0;
  for (; index < chunks.length; index += 1) {
    const length = chunks[index]?.length ?? 0;
    if (toSkip < length) break;
    toSkip -= length;
  }
  const [first, ...others] = chunks.slice(index);
  return first === undefined ? [] : [first.subarray(toSkip), ...others];
}
