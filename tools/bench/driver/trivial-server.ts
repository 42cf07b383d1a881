import { createServer } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { Endpoint } from './connection.ts';

const BODY = 'x'.repeat(1_024);
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** A server that answers whatever it is sent with the same 1 KiB, to know what sending requests costs by itself. */
export async function startTrivialServer(): Promise<{ endpoint: Endpoint; stop(): Promise<number> }> {
  const worker = new Worker(new URL(import.meta.url));
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  return {
    endpoint: { host: '127.0.0.1', port, certificate: null },
    stop: () => worker.terminate(),
  };
}

if (!isMainThread) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', () => socket.write(ANSWER, 'latin1'));
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === 'object' && address !== null ? address.port : 0);
  });
}
