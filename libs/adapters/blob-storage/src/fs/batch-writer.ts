import type { FileHandle } from 'node:fs/promises';
import { releaseChunk } from '../lent-chunks.ts';

/** One write of this size costs the disk and the event loop less than sixteen of the 64 KiB that a socket gives. */
const BATCH_BYTES = 1024 * 1024;
/** A socket may give one byte at a time, each holding on to 64 KiB of memory. */
const BATCH_CHUNKS = 64;
/**
 * The disk works while bytes still come, so that little is left to sync at the end: with so many unsynced it is told to
 * begin, again and again. Less at a time makes it wait for its own journal, and the writes with it.
 */
const SYNC_BYTES = 128 * 1024 * 1024;
/** With so many the body waits for the disk: a crash of the machine loses them, and the end must not take long. */
const UNSYNCED_MAX_BYTES = 512 * 1024 * 1024;

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
  #syncing: Promise<void> | null = null;
  /** What the kernel could not write it says once: the failure must not get lost before the end. */
  #syncFailure: { readonly error: unknown } | undefined;
  #unsyncedBytes = 0;

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
    if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
    return this.#position;
  }

  async #flush(): Promise<void> {
    await this.#inFlight;
    const [batch, position, bytes] = [this.#batch, this.#position, this.#batchBytes];
    this.#position += bytes;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    await this.#beforeWrite();
    this.#inFlight = writeFully(this.#file, batch, position);
    // Its failure is told by the next flush; until then nobody waits for it.
    this.#inFlight.catch(() => undefined);
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes >= SYNC_BYTES) this.#syncing ??= this.#sync();
    if (this.#unsyncedBytes >= UNSYNCED_MAX_BYTES) await this.#syncing;
    if (this.#syncFailure !== undefined) throw this.#syncFailure.error;
  }

  /** Never rejects. */
  async #sync(): Promise<void> {
    // The batch that is on its way may not be covered, and counts as if: the end syncs all of it in any case.
    const bytes = this.#unsyncedBytes;
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#syncFailure ??= { error };
    }
    this.#unsyncedBytes -= bytes;
    this.#syncing = null;
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
