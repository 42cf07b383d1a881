import { type LayerBlob, LayerReader, type LayerReading, type ReadLayerOptions } from '../layer-reader.ts';
import type { LayerLimits } from '../limits.ts';
import { LayerThread } from './layer-thread.ts';

export interface ThreadLayerReaderOptions {
  /** How many layers are read at once, each in a thread of its own. */
  readonly threads?: number;
  readonly limits?: Partial<LayerLimits>;
  /** Heap of one thread; a layer that needs more is a partial one. */
  readonly maxHeapMegabytes?: number;
}

/**
 * Reads layers in worker threads, so that a process that also serves requests stays responsive. Threads start when
 * they are needed and are replaced when they break.
 */
export class ThreadLayerReader extends LayerReader {
  readonly #size: number;
  readonly #options: { readonly limits: Partial<LayerLimits>; readonly maxHeapMegabytes: number };
  readonly #idle: LayerThread[] = [];
  readonly #all = new Set<LayerThread>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #isClosed = false;

  constructor(options: ThreadLayerReaderOptions = {}) {
    super();
    this.#size = options.threads ?? 1;
    this.#options = { limits: options.limits ?? {}, maxHeapMegabytes: options.maxHeapMegabytes ?? 1024 };
  }

  async read(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerReading> {
    const thread = await this.#acquire();
    try {
      return await thread.read(blob, options);
    } finally {
      this.#release(thread);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#all].map((thread) => thread.close()));
  }

  async #acquire(): Promise<LayerThread> {
    while (this.#busy >= this.#size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#isClosed) throw new Error('the layer reader is closed');
    this.#busy += 1;
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (!idle.isBroken) return idle;
      this.#all.delete(idle);
    }
    const thread = new LayerThread(this.#options);
    this.#all.add(thread);
    return thread;
  }

  #release(thread: LayerThread): void {
    this.#busy -= 1;
    if (thread.isBroken) this.#all.delete(thread);
    else this.#idle.push(thread);
    this.#waiting.shift()?.();
  }
}
