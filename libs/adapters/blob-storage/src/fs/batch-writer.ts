import type { FileHandle } from 'node:fs/promises';

/** One write of this size costs the disk and the event loop less than sixteen of the 64 KiB that a socket gives. */
const BATCH_BYTES = 1024 * 1024;
/** A socket may give one byte at a time, each holding on to 64 KiB of memory. */
const BATCH_CHUNKS = 64;

/** Writes chunks at rising positions of a file, one batch on its way to the disk while the next one is collected. */
export class BatchWriter {
  readonly #file: FileHandle;
  #position: number;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#position = position;
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
    return this.#position;
  }

  async #flush(): Promise<void> {
    await this.#inFlight;
    const [batch, position] = [this.#batch, this.#position];
    this.#position += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    if (batch.length === 0) return;
    this.#inFlight = writeFully(this.#file, batch, position);
    // Its failure is told by the next flush; until then nobody waits for it.
    this.#inFlight.catch(() => undefined);
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
