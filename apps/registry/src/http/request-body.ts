import type { IncomingMessage } from 'node:http';
import { OciError } from '@sluice/domain/oci';

/** How slowly a client may send. */
export interface BodyPace {
  /** Every so often it must have sent something worth waiting for. */
  readonly windowMs: number;
  /** Bytes within one window. */
  readonly minimumBytes: number;
}

/** Whether the request announces a body. A body of unknown length (chunked) may still turn out to be empty. */
export function hasBody(request: IncomingMessage): boolean {
  return (contentLength(request) ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
}

/** The announced length, null when there is none. Node has already refused what is not a number. */
export function contentLength(request: IncomingMessage): number | null {
  const text = request.headers['content-length'];
  return text === undefined ? null : Number(text);
}

/**
 * The body as it comes, ended with an error when the client stops sending or drips. Only time that we wait for the
 * client counts.
 */
export async function* pacedBody(request: IncomingMessage, pace: BodyPace): AsyncIterable<Uint8Array> {
  const stalled = new OciError(
    'BLOB_UPLOAD_INVALID',
    `fewer than ${pace.minimumBytes} bytes came within ${pace.windowMs / 1_000} seconds`,
  );
  let waitedMs = 0;
  let windowBytes = 0;
  // When the reader stops early, the connection must live on to carry the answer.
  const chunks = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const askedAt = performance.now();
      const timer = setTimeout(() => request.destroy(stalled), Math.max(pace.windowMs - waitedMs, 1));
      let next: IteratorResult<Buffer>;
      try {
        next = (await chunks.next()) as IteratorResult<Buffer>;
      } finally {
        clearTimeout(timer);
      }
      if (next.done === true) return;
      waitedMs += performance.now() - askedAt;
      windowBytes += next.value.length;
      if (windowBytes >= pace.minimumBytes) {
        waitedMs = 0;
        windowBytes = 0;
      } else if (waitedMs >= pace.windowMs) {
        throw stalled;
      }
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

/**
 * Collects a body of limited size.
 *
 * @throws OciError MANIFEST_TOO_LARGE, BLOB_UPLOAD_INVALID (the client dripped)
 */
export async function readBody(
  request: IncomingMessage,
  limitBytes: number,
  pace: BodyPace,
): Promise<Buffer> {
  const tooLarge = new OciError('MANIFEST_TOO_LARGE', `the body is larger than ${limitBytes} bytes`);
  if ((contentLength(request) ?? 0) > limitBytes) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of pacedBody(request, pace)) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** How long the rest of a refused body is read, so that the client sees the answer before the connection ends. */
const DRAIN_MS = 10_000;

/** Reads what is left of the body of a request that is already answered, for a while. */
export function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS);
  request.once('close', () => clearTimeout(timer));
}
