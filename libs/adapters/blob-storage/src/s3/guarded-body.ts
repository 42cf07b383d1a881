import { Readable } from 'node:stream';
import { BlobStorageError } from '../errors.ts';

/**
 * The body of an answer that ends well only after exactly `bytes` bytes. A body that is cut, too long or does not go on
 * for a while ends with an error. Time counts only while the reader waits for the store, never while the store waits
 * for a slow reader.
 */
export class GuardedBody extends Readable {
  readonly #source: Readable;
  readonly #bytes: number;
  readonly #timeoutMs: number;
  #received = 0;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Readable, bytes: number, timeoutMs: number) {
    super({ highWaterMark: 1_048_576 });
    this.#source = source;
    this.#bytes = bytes;
    this.#timeoutMs = timeoutMs;
    source.on('data', (chunk: Buffer) => this.#take(chunk));
    source.once('end', () => this.#end());
    source.once('error', (cause) => this.#fail('the object store broke off', cause));
    source.once('close', () => this.#end());
    source.pause();
  }

  override _read(): void {
    this.#watch();
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    // Frees the connection; after the end this does nothing.
    this.#source.destroy();
    callback(error);
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return;
    this.#received += chunk.length;
    if (this.#received > this.#bytes) return this.#fail('the object store sent more than the object has');
    if (this.push(chunk)) return this.#watch();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source.pause();
  }

  #end(): void {
    if (this.destroyed || this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    if (this.#received === this.#bytes) this.push(null);
    else this.#fail('the object store broke off');
  }

  #watch(): void {
    if (this.#hasEnded) return;
    if (this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(
      () => this.#fail(`the object store sent nothing for ${this.#timeoutMs / 1_000} s`),
      this.#timeoutMs,
    );
  }

  #fail(reason: string, cause?: unknown): void {
    const detail = `${this.#received} of ${this.#bytes} bytes arrived`;
    this.destroy(
      new BlobStorageError('STORAGE_FAILED', `cannot read the blob to its end: ${reason}`, { cause, detail }),
    );
  }
}
