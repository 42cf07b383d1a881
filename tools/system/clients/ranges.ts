import { assert, assertEqual } from '../checklist.ts';
import { readStargz, TOC_ANNOTATION } from './estargz.ts';
import { STARGZ_FILES } from './image-kinds.ts';
import type { Descriptor } from './sample.ts';
import type { World } from './world.ts';

interface ImageManifest {
  readonly layers: readonly Descriptor[];
}

/** Reads the first layer of an image as a lazy snapshotter does, and compares its files. */
export async function checkStargzLayer(world: World, repository: string): Promise<void> {
  const { layers } = await world.manifestJson<ImageManifest>(repository, 'v1');
  const [layer] = layers;
  assert(layer !== undefined, 'the image has a layer');
  const toc = layer.annotations?.[TOC_ANNOTATION] ?? '';
  const files = await readStargz(layer.size, toc, (range) => world.blob(repository, layer.digest, range));
  assertEqual(
    [...files],
    STARGZ_FILES.map(({ path, content }) => [path, content]),
    'files read by ranges',
  );
}

/**
 * Asks for the table of contents and the first bytes of a zstd:chunked layer in one request, as containers/storage
 * does, and compares each part with the whole.
 */
export async function checkChunkedLayer(world: World, repository: string): Promise<void> {
  const { layers } = await world.manifestJson<ImageManifest>(repository, 'v1');
  const [layer] = layers;
  assert(layer !== undefined, 'the image has a layer');
  assertEqual(layer.mediaType, 'application/vnd.oci.image.layer.v1.tar+zstd', 'media type of the layer');
  // containers/storage wrote the key without `github` at first.
  const [, position] =
    Object.entries(layer.annotations ?? {}).find(([key]) => key.endsWith('zstd-chunked.manifest-position')) ??
    [];
  assert(position !== undefined, 'the layer says nothing of its chunks');
  const [offset = 0, length = 0] = position.split(':').map(Number);
  const whole = await world.blob(repository, layer.digest);
  const ranges: [number, number][] = [
    [0, 15],
    [offset, offset + length - 1],
  ];
  const header = ranges.map(([from, to]) => `${from}-${to}`).join(',');
  const answer = await world.get(`clients/${repository}/blobs/${layer.digest}`, { range: `bytes=${header}` });
  assertEqual(answer.status, 206, `GET of bytes=${header}`);
  const boundary = /^multipart\/byteranges; boundary="?([^"]+)"?$/.exec(
    answer.headers.get('content-type') ?? '',
  );
  assert(boundary?.[1] !== undefined, `Content-Type ${answer.headers.get('content-type')}`);
  const body = Buffer.from(await answer.arrayBuffer());
  let at = 0;
  for (const [from, to] of ranges) {
    at = body.indexOf(`Content-Range: bytes ${from}-${to}/${whole.length}`, at);
    assert(at > 0, `no part for ${from}-${to}`);
    const start = body.indexOf('\r\n\r\n', at) + 4;
    const part = body.subarray(start, start + to - from + 1);
    assert(part.equals(whole.subarray(from, to + 1)), `the part ${from}-${to} has other bytes`);
  }
  assert(body.toString('latin1').includes(`--${boundary[1]}--`), 'the parts have no end');
}
