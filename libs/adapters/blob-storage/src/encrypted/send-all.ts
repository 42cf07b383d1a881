import type { Writable } from 'node:stream';

/** So much goes to the sink at once: a write of several segments costs a socket less than one of each. */
const BATCH_BYTES = 256 * 1024;

/**
 * Writes everything into a sink and leaves it open.
 *
 * @throws what the content or the sink fails with; an error with the code ERR_STREAM_PREMATURE_CLOSE when the sink is
 * closed before the end
 */
export async function sendAll(content: AsyncIterable<Uint8Array>, sink: Writable): Promise<void> {
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => undefined);
  const onClose = (): void =>
    closed.reject(Object.assign(new Error('the sink was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }));
  sink.once('close', onClose);
  if (sink.destroyed) onClose();
  let written: Promise<void> = Promise.resolve();
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  const flush = async (): Promise<void> => {
    await Promise.race([written, closed.promise]);
    written = writeBatch(sink, batch);
    // Its failure is told by the next flush; until then nobody waits for it.
    written.catch(() => undefined);
    batch = [];
    batchBytes = 0;
  };
  try {
    for await (const chunk of content) {
      batch.push(chunk);
      batchBytes += chunk.length;
      if (batchBytes >= BATCH_BYTES) await flush();
    }
    if (batchBytes > 0) await flush();
    await Promise.race([written, closed.promise]);
  } finally {
    sink.off('close', onClose);
  }
}

function writeBatch(sink: Writable, batch: readonly Uint8Array[]): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.cork();
    for (const [index, chunk] of batch.entries()) {
      if (index < batch.length - 1) sink.write(chunk);
      else {
        sink.write(chunk, (error) => {
          if (error) reject(error);
          else resolve();
        });
      }
    }
    sink.uncork();
  });
}
