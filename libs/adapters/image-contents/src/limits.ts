/** What reading one layer may cost. Whoever exceeds a limit gets a named state, never an exception. */
export interface LayerLimits {
  readonly maxEntries: number;
  readonly maxUncompressedBytes: number;
  /** Uncompressed to compressed bytes; only looked at beyond `ratioFreeBytes`, because small files of zeros are common. */
  readonly maxRatio: number;
  readonly ratioFreeBytes: number;
  readonly maxPathBytes: number;
  /** One PAX header or GNU long name. */
  readonly maxMetadataBytes: number;
  /** Directories in a path. */
  readonly maxPathDepth: number;
  readonly maxPackages: number;
  /** What the record of the layer may take in memory, roughly. */
  readonly maxRecordBytes: number;
  /** File lists of installed packages that are kept until the end of the layer. */
  readonly maxListBytes: number;
  /** Links that are kept in the record; those on the way to package databases always are. */
  readonly maxLinks: number;
  /** How often one layer is read: more than once only for what a later entry asked for. */
  readonly maxPasses: number;
}

export const DEFAULT_LIMITS: LayerLimits = {
  maxEntries: 2_000_000,
  maxUncompressedBytes: 128 * 2 ** 30,
  maxRatio: 200,
  ratioFreeBytes: 2 ** 30,
  maxPathBytes: 4096,
  maxMetadataBytes: 2 ** 20,
  maxPathDepth: 255,
  maxPackages: 250_000,
  maxRecordBytes: 128 * 2 ** 20,
  maxListBytes: 64 * 2 ** 20,
  maxLinks: 20_000,
  maxPasses: 4,
};
