import { Worker } from 'node:worker_threads';

/** An object for a worker to store: written under a path that nobody else has, synced, and moved to `to`. */
export interface ToStore {
  readonly id: number;
  readonly temporary: string;
  readonly to: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

export interface Stored {
  readonly id: number;
  /** A code of the system, `EEXIST` when there is an object already; null when it is stored. */
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** As many as libuv has for the calls of `node:fs`: each waits for the disk most of the time. */
const THREADS_MAX = 4;

/**
 * Stores small objects in threads of its own, each object in one go. One by one the nine calls that it takes cross to
 * another thread and back each, which costs a multiple of what they do.
 */
export class SmallObjects {
  #threads: Thread[] = [];

  /** @throws Error with a `code` of the system: `EEXIST` when there is an object */
  store(temporary: string, to: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#threads = this.#threads.filter(({ isOver }) => !isOver);
    return this.#leastBusy().store(temporary, to, content);
  }

  #leastBusy(): Thread {
    const [least] = this.#threads.toSorted((a, b) => a.pending - b.pending);
    if (least !== undefined && (least.pending === 0 || this.#threads.length >= THREADS_MAX)) return least;
    const thread = new Thread();
    this.#threads.push(thread);
    return thread;
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #orders = 0;
  isOver = false;

  constructor() {
    const isSource = import.meta.url.endsWith('.ts');
    const file = isSource ? './small-object-worker.ts' : './small-object-worker.js';
    this.#worker = new Worker(new URL(file, import.meta.url));
    this.#worker.unref();
    this.#worker.on('message', (stored: Stored) => this.#settle(stored));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => this.#break(new Error('the thread that stores small objects ended')));
  }

  get pending(): number {
    return this.#waiting.size;
  }

  store(temporary: string, to: string, content: Uint8Array<ArrayBuffer>): Promise<void> {
    const id = (this.#orders += 1);
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(id, waiting);
    // An idle thread must not keep the process alive, one that stores something must.
    this.#worker.ref();
    this.#worker.postMessage({ id, temporary, to, content } satisfies ToStore, [content.buffer]);
    return waiting.promise;
  }

  #settle({ id, failure }: Stored): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (failure === null) waiting?.resolve();
    else waiting?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
  }

  #break(error: unknown): void {
    this.isOver = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
