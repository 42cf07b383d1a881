import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** One entry of a layer, in the order in which it is written. */
export type LayerEntry =
  | { readonly path: string; readonly content: string | Buffer; readonly mode?: number }
  | { readonly path: string; readonly directory: true }
  | { readonly path: string; readonly symlink: string }
  | { readonly path: string; readonly hardlink: string };

export type LayerCompression = 'gzip' | 'zstd' | 'none';

/** A layer as a registry stores it. */
export interface Layer {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
}

const MEDIA_TYPES: Record<LayerCompression, string> = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
};

/** Builds a layer. The same entries give the same bytes: times are zero and owners are root. */
export async function buildLayer(
  entries: readonly LayerEntry[],
  compression: LayerCompression = 'gzip',
): Promise<Layer> {
  const tar = await writeTar(entries);
  const bytes = compression === 'gzip' ? gzipSync(tar) : compression === 'zstd' ? zstdCompressSync(tar) : tar;
  return { bytes, mediaType: MEDIA_TYPES[compression], digest: sha256(bytes), diffId: sha256(tar) };
}

async function writeTar(entries: readonly LayerEntry[]): Promise<Buffer> {
  const archive = pack();
  const common = { mtime: new Date(0), uid: 0, gid: 0 };
  for (const entry of entries) {
    const header = { ...common, name: entry.path };
    if ('content' in entry) archive.entry({ ...header, mode: entry.mode ?? 0o644 }, entry.content);
    else if ('directory' in entry) archive.entry({ ...header, type: 'directory', mode: 0o755 });
    else if ('symlink' in entry) archive.entry({ ...header, type: 'symlink', linkname: entry.symlink });
    else archive.entry({ ...header, type: 'link', linkname: entry.hardlink });
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function sha256(bytes: string | Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
