import { Worker } from 'node:worker_threads';
import type { Outcome, Task } from './messages.ts';

interface Report {
  readonly outcome?: Outcome;
  readonly cpuSeconds?: number;
  readonly error?: string;
}

/** The load driver of the benchmark, in a thread of its own. It carries out one task at a time. */
export class Driver {
  readonly #worker = new Worker(new URL('worker.ts', import.meta.url));

  async run(task: Task): Promise<Outcome & { readonly cpuSeconds: number }> {
    return new Promise((resolve, reject) => {
      this.#worker.removeAllListeners();
      this.#worker.once('error', reject);
      this.#worker.once('message', ({ outcome, cpuSeconds = Number.NaN, error }: Report) => {
        if (outcome === undefined) reject(new Error(error));
        else resolve({ ...outcome, cpuSeconds });
      });
      this.#worker.postMessage(task);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
