import { Worker } from 'node:worker_threads';
import type { Outcome, Task } from './messages.ts';
import { startTrivialServer } from './trivial-server.ts';

interface Report {
  readonly outcome?: Outcome;
  readonly cpuSeconds?: number;
  readonly error?: string;
}

/** The one load driver of the benchmark, in a thread of its own. It carries out one task at a time. */
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

  /** CPU microseconds that one small request costs the driver itself. */
  async ownCost(): Promise<number> {
    const server = await startTrivialServer();
    try {
      const task = {
        kind: 'repeat',
        endpoint: server.endpoint,
        connections: 16,
        method: 'GET',
        paths: ['/'],
        fields: { authorization: `Bearer ${'x'.repeat(600)}` },
      } as const;
      await this.run({ ...task, limit: { seconds: 1 } });
      const { cpuSeconds, operations } = await this.run({ ...task, limit: { seconds: 2 } });
      return (cpuSeconds / operations) * 1e6;
    } finally {
      await server.stop();
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
