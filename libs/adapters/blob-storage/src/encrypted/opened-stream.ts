import { Readable, Writable } from 'node:stream';
import { type SendsItself, sendsItself } from '../blob-storage.ts';
import type { SegmentOpener } from './segment-opener.ts';

/** Streams what the opener makes of the stored bytes. It sends itself into a sink with as little copying as can be. */
export function openedStream(stored: Readable, opener: SegmentOpener): Readable & SendsItself {
  const stream = Readable.from(openAll(stored, opener), { objectMode: false });
  // A stream that nobody began to read has not begun to read the one below.
  stream.once('close', () => stored.destroy());
  return Object.assign(stream, {
    sendTo: async (sink: Writable): Promise<void> => {
      const through = opening(opener, sink);
      const onClose = (): void => void through.destroy();
      sink.once('close', onClose);
      if (sink.destroyed) onClose();
      try {
        await (sendsItself(stored) ? stored.sendTo(through) : pump(stored, through));
        opener.end();
      } finally {
        sink.off('close', onClose);
        through.destroy();
        stream.destroy();
      }
    },
  } satisfies SendsItself);
}

async function* openAll(stored: AsyncIterable<Uint8Array>, opener: SegmentOpener): AsyncGenerator<Buffer> {
  for await (const chunk of stored) yield* opener.push(chunk);
  opener.end();
}

/** Decrypts what is written into it, and is done with a chunk when the sink is. */
function opening(opener: SegmentOpener, sink: Writable): Writable {
  const through = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      let pieces: Buffer[];
      try {
        pieces = opener.push(chunk);
      } catch (error) {
        done(error as Error);
        return;
      }
      writeAll(sink, pieces, done);
    },
  });
  // Whoever writes into it is told of the same error.
  through.on('error', () => undefined);
  return through;
}

/** Several pieces in one write to the socket. */
function writeAll(sink: Writable, pieces: readonly Buffer[], done: (error?: Error | null) => void): void {
  const last = pieces.length - 1;
  if (last < 0) {
    done();
    return;
  }
  sink.cork();
  for (const [index, piece] of pieces.entries()) {
    if (index < last) sink.write(piece);
    else sink.write(piece, done);
  }
  sink.uncork();
}

async function pump(stored: AsyncIterable<Uint8Array>, through: Writable): Promise<void> {
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => undefined);
  const onClose = (): void =>
    closed.reject(Object.assign(new Error('the sink was closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }));
  through.once('close', onClose);
  if (through.destroyed) onClose();
  for await (const chunk of stored) {
    const written = new Promise<void>((resolve, reject) => {
      through.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    written.catch(() => undefined);
    await Promise.race([written, closed.promise]);
  }
}
