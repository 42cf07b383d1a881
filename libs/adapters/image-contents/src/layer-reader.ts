import type { LayerRecord } from '@sluice/domain/sbom';

/** A layer as a manifest names it. */
export interface LayerBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Opens the blob from its beginning. Called more than once when a layer must be read again. */
  open(): Promise<AsyncIterable<Uint8Array>>;
}

export interface ReadLayerOptions {
  readonly signal: AbortSignal;
  /** Compressed bytes that were read since the last call. */
  onBytes?(count: number): void;
}

/**
 * What came of reading a layer. `unreadable` has no record, because the bytes have no DiffID (a broken stream) or
 * not the digest that they should have; `corrupt` tells whether more was promised than we could find.
 */
export type LayerReading =
  | { readonly outcome: 'cataloged'; readonly record: LayerRecord }
  | { readonly outcome: 'unreadable'; readonly state: 'corrupt' | 'partial'; readonly reason: string };

/**
 * Reads layers into records.
 *
 * Promises: memory does not grow with the layer; the blob's digest is verified and the DiffID computed from the same
 * bytes; whatever the bytes are, the answer is a {@link LayerReading} and not an exception. Errors of `open` and of
 * its stream, and the reason of an aborted signal, are thrown as they are, so that the caller can try again.
 */
export abstract class LayerReader {
  abstract read(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerReading>;

  /** Ends workers; readings that still run fail. */
  abstract close(): Promise<void>;
}
