import { parentPort, workerData } from 'node:worker_threads';
import { InlineLayerReader } from '../inline/inline-layer-reader.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './protocol.ts';

/** The chunks of one opening of the blob, in the order in which they arrive. */
class Inbox implements AsyncIterable<Uint8Array> {
  readonly opening: number;
  readonly #chunks: Uint8Array[] = [];
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(opening: number) {
    this.opening = opening;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          yield chunk;
          send({ type: 'taken', bytes: chunk.length });
        } else if (this.#isEnded) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      // Reading may stop in the middle; what is still on its way belongs to nobody then.
      send({ type: 'close', opening: this.opening });
    }
  }
}

if (parentPort === null) throw new Error('this file runs in a worker thread only');
const port = parentPort;
const reader = new InlineLayerReader((workerData as WorkerSettings).limits);
let abort = new AbortController();
let inbox = new Inbox(0);

function send(message: FromWorker): void {
  port.postMessage(message);
}

async function read(blob: Extract<ToWorker, { type: 'read' }>['blob']): Promise<void> {
  abort = new AbortController();
  const open = async (): Promise<AsyncIterable<Uint8Array>> => {
    inbox = new Inbox(inbox.opening + 1);
    send({ type: 'open', opening: inbox.opening });
    return inbox;
  };
  try {
    send({ type: 'done', reading: await reader.read({ ...blob, open }, { signal: abort.signal }) });
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'read':
      void read(message.blob);
      break;
    case 'chunk':
      if (message.opening === inbox.opening) inbox.push(message.chunk);
      break;
    case 'end':
      if (message.opening === inbox.opening) inbox.end();
      break;
    case 'abort':
      abort.abort();
      inbox.end();
      break;
  }
});
