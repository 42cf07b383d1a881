import { createHash } from 'node:crypto';
import type { LayerRecord } from '@sluice/domain/sbom';
import { InlineLayerReader } from '../inline/index.ts';
import type { LayerBlob } from '../layer-reader.ts';
import type { LayerLimits } from '../limits.ts';
import { buildTar, type TarEntrySpec } from './tar-builder.ts';

export const TAR = 'application/vnd.oci.image.layer.v1.tar';

/** A blob in memory, handed out in chunks of a size that is no multiple of anything. */
export function blobOf(
  content: Buffer,
  mediaType: string = TAR,
  chunkBytes = 4099,
): LayerBlob & { opened: number } {
  const blob = {
    digest: `sha256:${createHash('sha256').update(content).digest('hex')}`,
    sizeBytes: content.length,
    mediaType,
    opened: 0,
    open: async () => {
      blob.opened += 1;
      return chunksOf(content, chunkBytes);
    },
  };
  return blob;
}

async function* chunksOf(content: Buffer, chunkBytes: number): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < content.length; start += chunkBytes) {
    yield content.subarray(start, start + chunkBytes);
  }
}

/** The record of a layer of those entries. */
export async function recordOf(
  entries: readonly TarEntrySpec[],
  limits: Partial<LayerLimits> = {},
): Promise<LayerRecord> {
  const reading = await new InlineLayerReader(limits).read(blobOf(buildTar(entries)), {
    signal: new AbortController().signal,
  });
  if (reading.outcome !== 'cataloged') throw new Error(reading.reason);
  return reading.record;
}
