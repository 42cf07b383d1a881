import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { LayerError } from '../errors.ts';
import { isZstdMagic, splitZstdFrames } from './zstd-frames.ts';

/** Chunks of this size keep the number of JavaScript calls per megabyte low. */
const CHUNK_BYTES = 256 * 1024;
const SNIFFED_BYTES = 8;

type Compression = 'gzip' | 'zstd' | 'none';

/**
 * The uncompressed bytes of a layer. What the bytes say counts, not the media type, because runtimes sniff too; but
 * a layer that is declared compressed must be. Gzip may have several members, zstd several frames.
 *
 * @param mediaType as the manifest declares it
 * @throws LayerError LAYER_CORRUPT or LAYER_UNSUPPORTED; errors of the source pass through unchanged
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  mediaType: string,
): AsyncGenerator<Buffer, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Buffer[] = [];
  let isEnded = false;
  while (!isEnded && head.reduce((sum, chunk) => sum + chunk.length, 0) < SNIFFED_BYTES) {
    const next = await iterator.next();
    if (next.done === true) isEnded = true;
    else head.push(asBuffer(next.value));
  }
  const compression = sniff(Buffer.concat(head), mediaType);
  const input = resume(head, isEnded ? null : iterator);
  if (compression === 'none') yield* input;
  else yield* throughDecoder(input, compression);
}

function sniff(head: Buffer, mediaType: string): Compression {
  if (mediaType.endsWith('+encrypted')) {
    throw new LayerError(
      'LAYER_UNSUPPORTED',
      'the layer is encrypted, so that nobody but its reader can look into it',
    );
  }
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length >= 4 && isZstdMagic(head.readUInt32LE(0))) return 'zstd';
  const other = [
    { name: 'bzip2', magic: 'BZh' },
    { name: 'xz', magic: '\xfd7zXZ\0' },
    { name: 'LZMA', magic: ']\0\0' },
  ].find(({ magic }) => head.toString('latin1', 0, magic.length) === magic);
  if (other !== undefined) {
    throw new LayerError(
      'LAYER_UNSUPPORTED',
      `the layer is compressed with ${other.name}; gzip, zstd and plain tar are read`,
    );
  }
  const declared = /\+gzip$|\.gzip$|\+zstd$/.exec(mediaType)?.[0];
  if (declared !== undefined && head.length > 0) {
    throw new LayerError('LAYER_CORRUPT', `the layer is declared as ${mediaType}, but its content is not`);
  }
  return 'none';
}

async function* resume(
  head: readonly Buffer[],
  rest: AsyncIterator<Uint8Array> | null,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* head;
    if (rest === null) return;
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield asBuffer(next.value);
  } finally {
    await rest?.return?.();
  }
}

async function* throughDecoder(
  input: AsyncIterable<Buffer>,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Buffer, void, undefined> {
  let sourceError: unknown;
  const watched = async function* (): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* input;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  };
  const options = { chunkSize: CHUNK_BYTES };
  const decoder: Transform = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  const frames = compression === 'gzip' ? watched() : splitZstdFrames(watched());
  // Object mode keeps the chunks apart. The iteration below sees the errors; the callback only has to exist.
  pipeline(Readable.from(frames, { objectMode: true, highWaterMark: 4 }), decoder, () => undefined);
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    if (error instanceof LayerError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new LayerError('LAYER_CORRUPT', `the ${compression} stream is corrupt: ${message}`, {
      cause: error,
    });
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
