import type { LayerReading } from '../layer-reader.ts';
import type { LayerLimits } from '../limits.ts';

/**
 * What the pool tells a worker, one layer at a time. The worker opens the blob as often as it needs; `opening` counts
 * that, so that chunks of an opening that was given up can be told from those of the next.
 */
export type ToWorker =
  | {
      readonly type: 'read';
      readonly blob: { readonly digest: string; readonly sizeBytes: number; readonly mediaType: string };
    }
  | { readonly type: 'chunk'; readonly opening: number; readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly type: 'end'; readonly opening: number }
  | { readonly type: 'abort' };

/** What a worker tells the pool. Each `taken` answers one chunk, so that few are under way. */
export type FromWorker =
  | { readonly type: 'open'; readonly opening: number }
  | { readonly type: 'close'; readonly opening: number }
  | { readonly type: 'taken'; readonly bytes: number }
  | { readonly type: 'done'; readonly reading: LayerReading }
  | { readonly type: 'failed'; readonly message: string };

export interface WorkerSettings {
  readonly limits: Partial<LayerLimits>;
}

/** Chunks that may be on their way to a worker: enough that it never waits, few enough that memory stays flat. */
export const CHUNKS_UNDER_WAY = 8;
