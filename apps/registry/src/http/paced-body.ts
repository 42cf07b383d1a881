import type { IncomingMessage } from 'node:http';
import { OciError } from '@sluice/domain/oci';
import { BODY_BUFFER_BYTES, BodyBuffer, freeBuffer } from './body-buffers.ts';

/** How slowly a client may send. */
export interface BodyPace {
  /** Every so often it must have sent something worth waiting for. */
  readonly windowMs: number;
  /** Bytes within one window. */
  readonly minimumBytes: number;
}

/** So much is read ahead of the reader at most, but for what one more read gives. */
const AHEAD_BYTES = 2 * BODY_BUFFER_BYTES;

/**
 * The body of a request as it comes, ended with an error when the client stops sending or drips. Only time that we wait
 * for the client counts.
 *
 * Short bodies are handed on as they come. The bytes of long ones are collected into lent buffers of 1 MiB: what comes
 * from the socket is freed on the spot, and all that follows has a sixteenth of the steps.
 */
export class PacedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #pace: BodyPace;
  readonly #ready: Uint8Array[] = [];
  #readyBytes = 0;
  #receivedBytes = 0;
  #filling: BodyBuffer | null = null;
  #isStarted = false;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #waitingSince: number | undefined;
  #waitedMs = 0;
  #windowBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(request: IncomingMessage, pace: BodyPace) {
    this.#request = request;
    this.#pace = pace;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#isStarted) this.#start();
    for (;;) {
      const chunk = this.#ready.shift();
      if (chunk !== undefined) {
        this.#readyBytes -= chunk.length;
        if (!this.#isOver && this.#readyBytes < AHEAD_BYTES && this.#request.isPaused())
          this.#request.resume();
        return { done: false, value: chunk };
      }
      if (this.#isOver) {
        this.#stop();
        if (this.#failure !== undefined) throw this.#failure.error;
        return { done: true, value: undefined };
      }
      await this.#more();
    }
  }

  /** The reader wants no more. The connection must live on to carry the answer. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop();
    if (!this.#isOver) this.#request.pause();
    this.#isOver = true;
    return { done: true, value: undefined };
  }

  #start(): void {
    this.#isStarted = true;
    const request = this.#request;
    request.on('data', this.#onData);
    request.on('end', this.#onEnd);
    request.on('error', this.#onError);
    request.on('close', this.#onClose);
    if (request.readableEnded) this.#onEnd();
    else if (request.destroyed) this.#onClose();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    const request = this.#request;
    request.off('data', this.#onData);
    request.off('end', this.#onEnd);
    request.off('error', this.#onError);
    request.off('close', this.#onClose);
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#receivedBytes += bytes.length;
    this.#keepPace(bytes.length);
    if (this.#receivedBytes <= BODY_BUFFER_BYTES) this.#hand(bytes);
    else this.#collect(bytes);
    if (this.#readyBytes >= AHEAD_BYTES) this.#request.pause();
  };

  readonly #onEnd = (): void => this.#end(undefined);

  readonly #onError = (error: unknown): void => this.#end({ error });

  readonly #onClose = (): void => {
    if (!this.#isOver)
      this.#end({ error: this.#request.errored ?? new Error('the client closed the connection') });
  };

  /** What came before the client broke off is handed on first. */
  #end(failure: { readonly error: unknown } | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    clearTimeout(this.#timer);
    if (this.#filling !== null) this.#hand(this.#filling.lend());
    this.#filling = null;
    this.#wake?.();
  }

  #collect(bytes: Buffer): void {
    for (let rest: Uint8Array = bytes; rest.length > 0;) {
      this.#filling ??= new BodyBuffer();
      rest = rest.subarray(this.#filling.take(rest));
      if (this.#filling.isFull) {
        this.#hand(this.#filling.lend());
        this.#filling = null;
      }
    }
    freeBuffer(bytes);
  }

  #hand(chunk: Uint8Array): void {
    this.#ready.push(chunk);
    this.#readyBytes += chunk.length;
    this.#wake?.();
  }

  /** Resolves when there may be something to read. */
  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#waitingSince = performance.now();
    this.#timer ??= this.#watch(this.#pace.windowMs - this.#waitedMs);
    await promise;
    this.#wake = undefined;
    if (this.#waitingSince !== undefined) this.#waitedMs += performance.now() - this.#waitingSince;
    this.#waitingSince = undefined;
  }

  #keepPace(bytes: number): void {
    this.#windowBytes += bytes;
    if (this.#windowBytes < this.#pace.minimumBytes) return;
    this.#windowBytes = 0;
    this.#waitedMs = 0;
    if (this.#waitingSince !== undefined) this.#waitingSince = performance.now();
  }

  /** One timer for the whole body; it looks again later when there was a reason to wait for less. */
  #watch(ms: number): NodeJS.Timeout {
    return setTimeout(
      () => {
        const waitingMs = this.#waitingSince === undefined ? 0 : performance.now() - this.#waitingSince;
        const leftMs = this.#pace.windowMs - this.#waitedMs - waitingMs;
        if (leftMs > 0) this.#timer = this.#watch(leftMs);
        else this.#request.destroy(this.#stalled());
      },
      Math.max(ms, 1),
    );
  }

  #stalled(): OciError {
    const { windowMs, minimumBytes } = this.#pace;
    return new OciError(
      'BLOB_UPLOAD_INVALID',
      `fewer than ${minimumBytes} bytes came within ${windowMs / 1_000} seconds`,
    );
  }
}
