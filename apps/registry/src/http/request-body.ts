import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { releaseChunk } from '@sluice/blob-storage';
import { OciError } from '@sluice/domain/oci';
import { type BodyPace, PacedBody } from './paced-body.ts';

export type { BodyPace };

/** Whether the request announces a body. A body of unknown length (chunked) may still turn out to be empty. */
export function hasBody(request: IncomingMessage): boolean {
  return (contentLength(request) ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
}

/** The announced length, null when there is none. Node has already refused what is not a number. */
export function contentLength(request: IncomingMessage): number | null {
  const text = request.headers['content-length'];
  return text === undefined ? null : Number(text);
}

/** The body of an upload as it comes; see {@link PacedBody}. */
export function pacedBody(request: IncomingMessage, pace: BodyPace): AsyncIterable<Uint8Array> {
  return new PacedBody(request, pace);
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
  const content = Buffer.concat(chunks, size);
  for (const chunk of chunks) releaseChunk(chunk);
  return content;
}

/** How long the rest of a refused body is read, so that the client sees the answer before the connection ends. */
const DRAIN_MS = 10_000;

/** Whether bytes of the body are still to come. */
export function isBodyUnread(request: IncomingMessage): boolean {
  return !request.complete && !request.destroyed;
}

/**
 * Answers a request before its body has come, and reads what is left of it for a while before the response ends. Ended
 * at once, it would close a connection that is not kept alive (most proxies keep none) while the client still sends,
 * and the reset that follows takes the answer with it.
 */
export function answerEarly(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Buffer,
): void {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.write(body);
  const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS);
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  request.once('end', finish);
  request.once('close', finish);
  request.resume();
}
