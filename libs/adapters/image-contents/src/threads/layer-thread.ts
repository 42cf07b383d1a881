import { Worker } from 'node:worker_threads';
import type { LayerBlob, LayerReading, ReadLayerOptions } from '../layer-reader.ts';
import { CHUNKS_UNDER_WAY, type FromWorker, type ToWorker, type WorkerSettings } from './protocol.ts';

/** A chunk that crosses to the worker is copied once; larger ones would only make it wait longer. */
const MAX_CHUNK_BYTES = 1024 * 1024;

export interface LayerThreadOptions extends WorkerSettings {
  readonly maxHeapMegabytes: number;
}

/** One worker thread, which reads one layer at a time. After {@link isBroken} it must be replaced. */
export class LayerThread {
  readonly #worker: Worker;
  readonly #maxHeapMegabytes: number;
  #reading: Reading | null = null;
  isBroken = false;

  constructor(options: LayerThreadOptions) {
    this.#maxHeapMegabytes = options.maxHeapMegabytes;
    const isSource = import.meta.url.endsWith('.ts');
    const settings: WorkerSettings = { limits: options.limits };
    this.#worker = new Worker(new URL(isSource ? './worker.ts' : './worker.js', import.meta.url), {
      workerData: settings,
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMegabytes },
      // From sources (tests) the worker has to resolve workspace packages to sources as well.
      execArgv: isSource ? ['--conditions=@sluice/source'] : [],
    });
    // An idle thread must not keep the process alive.
    this.#worker.unref();
    this.#worker.on('message', (message: FromWorker) => this.#reading?.take(message));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => this.#break(new Error('the thread that read the layer ended')));
  }

  /** @throws what opening or streaming the blob threw, or the reason of the signal */
  async read(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerReading> {
    const reading = new Reading(blob, options, (message, transfer) =>
      this.#worker.postMessage(message, transfer),
    );
    this.#reading = reading;
    this.#worker.ref();
    try {
      return await reading.run();
    } finally {
      this.#reading = null;
      this.#worker.unref();
    }
  }

  async close(): Promise<void> {
    this.isBroken = true;
    await this.#worker.terminate();
  }

  #break(error: unknown): void {
    this.isBroken = true;
    if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      const reason = `reading the layer takes more than the ${this.#maxHeapMegabytes} MB of memory that it may use`;
      this.#reading?.settle({ outcome: 'unreadable', state: 'partial', reason });
    } else {
      this.#reading?.fail(error);
    }
  }
}

type Post = (message: ToWorker, transfer: ArrayBuffer[]) => void;

/** The pool's side of reading one layer: feeds the worker and waits for its answer. */
class Reading {
  readonly #blob: LayerBlob;
  readonly #options: ReadLayerOptions;
  readonly #post: Post;
  readonly #result = Promise.withResolvers<LayerReading>();
  #opening = 0;
  #underWay = 0;
  #wake: () => void = () => {};
  /** Why the answer of the worker does not count; it sees only that its input ended. */
  #failure: { readonly error: unknown } | null = null;

  constructor(blob: LayerBlob, options: ReadLayerOptions, post: Post) {
    this.#blob = blob;
    this.#options = options;
    this.#post = post;
  }

  async run(): Promise<LayerReading> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    const onAbort = (): void => this.#giveUp(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const { digest, sizeBytes, mediaType } = this.#blob;
    this.#post({ type: 'read', blob: { digest, sizeBytes, mediaType } }, []);
    try {
      return await this.#result.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#close();
    }
  }

  take(message: FromWorker): void {
    switch (message.type) {
      case 'open':
        this.#opening = message.opening;
        this.#underWay = 0;
        void this.#feed(message.opening);
        break;
      case 'close':
        if (message.opening === this.#opening) this.#close();
        break;
      case 'taken':
        this.#underWay -= 1;
        this.#options.onBytes?.(message.bytes);
        this.#wake();
        break;
      case 'done':
        this.settle(message.reading);
        break;
      case 'failed':
        this.fail(new Error(message.message));
        break;
    }
  }

  settle(reading: LayerReading): void {
    if (this.#failure === null) this.#result.resolve(reading);
    else this.#result.reject(this.#failure.error);
  }

  fail(error: unknown): void {
    this.#result.reject(this.#failure === null ? error : this.#failure.error);
  }

  #close(): void {
    this.#opening = 0;
    this.#wake();
  }

  #giveUp(error: unknown): void {
    this.#failure ??= { error };
    this.#post({ type: 'abort' }, []);
    this.#close();
  }

  async #feed(opening: number): Promise<void> {
    try {
      for await (const chunk of await this.#blob.open()) {
        for (let start = 0; start < chunk.length; start += MAX_CHUNK_BYTES) {
          while (this.#underWay >= CHUNKS_UNDER_WAY && this.#opening === opening) await this.#answer();
          if (this.#opening !== opening) return;
          // A copy, because streams hand out parts of buffers that they share.
          const copy = Uint8Array.from(chunk.subarray(start, start + MAX_CHUNK_BYTES));
          this.#underWay += 1;
          this.#post({ type: 'chunk', opening, chunk: copy }, [copy.buffer]);
        }
      }
      this.#post({ type: 'end', opening }, []);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
