import { gunzipSync, gzipSync } from 'node:zlib';
import { buildLayer, type Layer, sha256 } from '@sluice/testing';
import { assert, assertEqual } from '../checklist.ts';

const FOOTER_BYTES = 51;
const TAR_END_BYTES = 1024;
const TAR_HEADER_BYTES = 512;

/** Annotation of the layer's descriptor: the digest of the table of contents. */
export const TOC_ANNOTATION = 'containerd.io/snapshot/stargz/toc.digest';

interface Toc {
  readonly version: number;
  readonly entries: readonly { readonly name: string; readonly offset: number; readonly size: number }[];
}

/**
 * A layer in eStargz (containerd/stargz-snapshotter docs/estargz.md): a gzip member for each file, then one for the
 * table of contents, then a footer that says where that begins. Any gzip reader sees one tar.
 */
export async function buildStargz(
  files: readonly { readonly path: string; readonly content: string }[],
): Promise<{ layer: Layer; tocDigest: string }> {
  const tars: Buffer[] = [];
  const members: Buffer[] = [];
  const entries: object[] = [];
  let offset = 0;
  const add = async (path: string, text: string): Promise<void> => {
    const whole = (await buildLayer([{ path, content: text }], 'none')).bytes;
    const tar = whole.subarray(0, whole.length - TAR_END_BYTES);
    const member = gzipSync(tar);
    tars.push(tar);
    members.push(member);
    offset += member.length;
  };
  for (const { path, content } of files) {
    entries.push({ name: path, type: 'reg', size: content.length, offset, digest: sha256(content) });
    await add(path, content);
  }
  const toc = JSON.stringify({ version: 1, entries });
  const tocOffset = offset;
  await add('stargz.index.json', toc);
  const bytes = Buffer.concat([...members, footer(tocOffset)]);
  const layer: Layer = {
    bytes,
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: sha256(bytes),
    diffId: sha256(Buffer.concat(tars)),
  };
  return { layer, tocDigest: sha256(toc) };
}

/** An empty gzip member whose extra field `SG` holds the offset. */
function footer(tocOffset: number): Buffer {
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 0x53, 0x47, 22, 0]);
  const field = Buffer.from(`${tocOffset.toString(16).padStart(16, '0')}STARGZ`);
  const empty = Buffer.from([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, field, empty]);
}

/**
 * Reads a layer as a lazy snapshotter does: footer, table of contents, then each file by a range of its own.
 * @param read the bytes of a range, `start-end` or `-suffix`
 * @returns the files with their contents
 */
export async function readStargz(
  size: number,
  tocDigest: string,
  read: (range: string) => Promise<Buffer>,
): Promise<Map<string, string>> {
  const tail = await read(`-${FOOTER_BYTES}`);
  assertEqual(tail.subarray(32, 38).toString(), 'STARGZ', 'magic of the footer');
  const tocOffset = Number.parseInt(tail.subarray(16, 32).toString(), 16);
  const tocTar = gunzipSync(await read(`${tocOffset}-${size - FOOTER_BYTES - 1}`));
  const length = Number.parseInt(tocTar.subarray(124, 136).toString(), 8);
  const text = tocTar.subarray(TAR_HEADER_BYTES, TAR_HEADER_BYTES + length).toString();
  assertEqual(sha256(text), tocDigest, 'table of contents');
  const { entries } = JSON.parse(text) as Toc;
  const files = new Map<string, string>();
  for (const [at, entry] of entries.entries()) {
    const end = entries[at + 1]?.offset ?? tocOffset;
    const tar = gunzipSync(await read(`${entry.offset}-${end - 1}`));
    files.set(entry.name, tar.subarray(TAR_HEADER_BYTES, TAR_HEADER_BYTES + entry.size).toString());
  }
  assert(files.size > 0, 'the table of contents is empty');
  return files;
}
