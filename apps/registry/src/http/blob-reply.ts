import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sendsItself } from '@sluice/blob-storage';
import type { PulledBlob } from '@sluice/distribution';
import { type ByteRange, OciError, parseRange } from '@sluice/domain/oci';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { etag, isUnchanged } from './etag.ts';
import { warningHeader } from './warning.ts';

const CONTENT_TYPE = 'application/octet-stream';
/** A shorter body leaves in one packet with its header. */
const LONG_BYTES = 1024 * 1024;

/**
 * Streams a blob, or the ranges of it that were asked for (RFC 9110, 14; distribution-spec, "Pulling blobs"), or names
 * the URL where the object store does. Stores give one range at most, so several always come from here.
 *
 * That a client closes early is normal: containerd asks for more than it wants and hangs up.
 *
 * @param unreadMs after so long without a byte that has left, the connection is closed
 */
export async function sendBlob(
  request: FastifyRequest,
  reply: FastifyReply,
  blob: PulledBlob,
  unreadMs: number,
): Promise<void> {
  // Node counts whatever comes nearer to leaving, and closes the connection when nothing does.
  reply.raw.setTimeout(unreadMs);
  // Before Node ends the response: a request that waits behind it on the connection takes the time of its own.
  reply.raw.prependOnceListener('finish', () => reply.raw.setTimeout(0));
  const headers: Record<string, string | number> = {
    'content-type': CONTENT_TYPE,
    'docker-content-digest': blob.digest,
    etag: etag(blob.digest),
    'accept-ranges': 'bytes',
    // Bytes of a digest never change, but whether they may be had does.
    'cache-control': 'private, no-cache',
    // nginx would write a layer to its disk before the client has it, and stop reading at a gigabyte.
    'x-accel-buffering': 'no',
  };
  if (blob.warning !== null) headers['warning'] = warningHeader(blob.warning);
  if (isUnchanged(request.headers['if-none-match'], blob.digest)) {
    reply.headers(headers).code(304).send();
    return;
  }
  const asked = parseRange(request.headers.range, blob.sizeBytes);
  switch (asked.kind) {
    case 'unsatisfiable':
      reply.header('content-range', `bytes */${blob.sizeBytes}`);
      throw new OciError('RANGE_INVALID', `the blob has ${blob.sizeBytes} bytes; none of them was asked for`);
    case 'full': {
      if (blob.sizeBytes > 0 && (await redirect(reply, blob, headers))) return;
      const body = blob.sizeBytes === 0 ? Readable.from([]) : await blob.open(whole(blob));
      return stream(request, reply, 200, { ...headers, 'content-length': blob.sizeBytes }, body);
    }
    case 'ranges': {
      const [first, ...rest] = asked.ranges;
      if (rest.length > 0) return sendParts(request, reply, blob, headers, asked.ranges);
      if (await redirect(reply, blob, headers)) return;
      const body = await blob.open(first);
      return stream(
        request,
        reply,
        206,
        {
          ...headers,
          'content-length': first.last - first.first + 1,
          'content-range': `bytes ${first.first}-${first.last}/${blob.sizeBytes}`,
        },
        body,
      );
    }
  }
}

/** The client asks the store again, for the same range. The URL is a secret that ends, so nobody may keep the answer. */
async function redirect(
  reply: FastifyReply,
  blob: PulledBlob,
  headers: Record<string, string | number>,
): Promise<boolean> {
  const location = await blob.locate();
  if (location === null) return false;
  reply
    .headers({ ...headers, location, 'cache-control': 'no-store', 'content-length': 0 })
    .code(307)
    .send();
  return true;
}

/** `multipart/byteranges` (RFC 9110, 14.6); clients of zstd:chunked layers ask for several ranges at once. */
function sendParts(
  request: FastifyRequest,
  reply: FastifyReply,
  blob: PulledBlob,
  headers: Record<string, string | number>,
  ranges: readonly ByteRange[],
): Promise<void> {
  const boundary = randomBytes(18).toString('hex');
  const head = ({ first, last }: ByteRange): Buffer =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${CONTENT_TYPE}\r\n` +
        `Content-Range: bytes ${first}-${last}/${blob.sizeBytes}\r\n\r\n`,
    );
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  const length = ranges.reduce(
    (sum, range) => sum + head(range).length + range.last - range.first + 1,
    end.length,
  );
  async function* parts(): AsyncIterable<Buffer> {
    for (const range of ranges) {
      yield head(range);
      yield* (await blob.open(range)) as AsyncIterable<Buffer>;
    }
    yield end;
  }
  const partHeaders = {
    ...headers,
    'content-type': `multipart/byteranges; boundary=${boundary}`,
    'content-length': length,
  };
  return stream(request, reply, 206, partHeaders, Readable.from(parts(), { objectMode: false }));
}

async function stream(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  headers: Record<string, string | number> & { readonly 'content-length': number },
  body: Readable,
): Promise<void> {
  reply.headers(headers);
  reply.hijack();
  reply.raw.writeHead(status, reply.getHeaders() as Record<string, string | number>);
  try {
    if (sendsItself(body)) {
      await body.sendTo(sinkOf(reply.raw, headers['content-length']));
      reply.raw.end();
    } else {
      await pipeline(body, reply.raw);
    }
  } catch (error) {
    if (isHangUp(error)) return;
    // The status is sent; all that is left is to break off, so that the client does not take the part for the whole.
    request.log.error({ event: 'blob.read-failed', err: error }, 'Cannot read a blob to its end');
    reply.raw.destroy();
  }
}

/**
 * Where a body of known length is written to: the connection itself, when it is long and the answers before it have left.
 * Node corks and uncorks the connection for every write to a response, which costs a twentieth of a download over TLS.
 */
function sinkOf(response: ServerResponse, bytes: number): Writable {
  if (bytes < LONG_BYTES || response.socket === null) return response;
  response.flushHeaders();
  return response.socket;
}

function whole(blob: PulledBlob): ByteRange {
  return { first: 0, last: blob.sizeBytes - 1 };
}

function isHangUp(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ERR_STREAM_DESTROYED' ||
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    code === 'ECANCELED'
  );
}
