/** image-spec, config.md: large histories stay far below this. */
export const CONFIG_SIZE_MAX = 8 * 2 ** 20;

/** The DiffIDs of an image's layers, or why they cannot be told. */
export type DiffIds =
  | { readonly kind: 'known'; readonly diffIds: readonly string[] }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Reads `rootfs.diff_ids` (image-spec, config.md) of an image's configuration. */
export function readDiffIds(config: Buffer, layerCount: number): DiffIds {
  let document: unknown;
  try {
    document = JSON.parse(config.toString('utf8'));
  } catch {
    return { kind: 'unknown', reason: 'the configuration of the image is not JSON' };
  }
  const diffIds = field(field(document, 'rootfs'), 'diff_ids');
  const isList = Array.isArray(diffIds) && diffIds.every((entry) => typeof entry === 'string');
  // An image of no layers may say so by leaving the list out.
  if (!isList && !((diffIds === undefined || diffIds === null) && layerCount === 0)) {
    return {
      kind: 'unknown',
      reason: 'the configuration of the image does not list its layers (rootfs.diff_ids)',
    };
  }
  const known: string[] = isList ? diffIds : [];
  if (known.length === layerCount) return { kind: 'known', diffIds: known };
  return {
    kind: 'unknown',
    reason: `the configuration of the image lists ${known.length} layers (rootfs.diff_ids), the manifest ${layerCount}`,
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
