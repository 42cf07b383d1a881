/**
 * Raised whenever the same layer bytes would give another record: a new cataloger, a fixed parser. Records of
 * another version are never mixed in.
 */
export const CATALOGER_VERSION = 1;

/** The formats of package data that are read. */
export type PackageFormat = 'dpkg' | 'apk' | 'npm' | 'python' | 'go';

/** One package as a file of a layer names it. */
export interface CatalogedPackage {
  readonly name: string;
  /** As the format spells it; empty when the format gives none. */
  readonly version: string;
  readonly architecture: string | null;
  /** Name and version of the source package that advisories speak of; null when they are the package's own. */
  readonly source: { readonly name: string; readonly version: string } | null;
  readonly license: string | null;
}

/** What one file of a layer says. Only files that say something to an inventory are recorded. */
export type LayerFile =
  | {
      readonly kind: 'packages';
      readonly path: string;
      readonly format: PackageFormat;
      readonly packages: readonly CatalogedPackage[];
      /** The vendor's package that installed the file, whose own advisories then speak of it. */
      readonly ownedBy: string | null;
      /** What could not be read in it, one sentence; null when all was read. */
      readonly problem: string | null;
    }
  | {
      readonly kind: 'distribution';
      readonly path: string;
      /** Fields of os-release(5), or `VERSION_ID` and `ID` made from the older files. */
      readonly fields: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'unread';
      readonly path: string;
      /** What it is, e.g. `rpm database`; it holds packages that this version of the scanner cannot read. */
      readonly format: string;
      readonly ownedBy: string | null;
    };

/** A symbolic link of a layer; `target` as written in it. */
export interface LayerLink {
  readonly path: string;
  readonly target: string;
}

/**
 * `complete`: every entry was looked at. `partial`: reading stopped at a limit or had to leave something out.
 * `corrupt`: the bytes are no valid layer; what was found before the fault is still in the record.
 */
export type LayerState = 'complete' | 'partial' | 'corrupt';

/**
 * What one layer does to the image, as far as an inventory needs it. Depends on nothing but the uncompressed bytes
 * (and the cataloger version), so that it can be kept by DiffID for every image that has the layer.
 *
 * Paths are relative to the root of the image, without a leading slash.
 */
export interface LayerRecord {
  readonly diffId: string;
  readonly catalogerVersion: number;
  readonly state: LayerState;
  /** Why it is not complete, one sentence each. */
  readonly reasons: readonly string[];
  readonly files: readonly LayerFile[];
  readonly links: readonly LayerLink[];
  /** Paths that whiteouts remove from the layers below. */
  readonly whiteouts: readonly string[];
  /** Directories whose content in the layers below is hidden. */
  readonly opaque: readonly string[];
  /** Paths of everything that is not a directory, in the form of path-set.ts; such an entry replaces what was there. */
  readonly paths: string;
  /** Paths of directories in the same form; a directory replaces a link or file of its name. */
  readonly directories: string;
  readonly entries: number;
  readonly sizeBytes: number;
}

/** Stands for a layer of which nothing could be read. */
export function emptyLayerRecord(diffId: string, state: LayerState, reason: string): LayerRecord {
  return {
    diffId,
    catalogerVersion: CATALOGER_VERSION,
    state,
    reasons: [reason],
    files: [],
    links: [],
    whiteouts: [],
    opaque: [],
    paths: '',
    directories: '',
    entries: 0,
    sizeBytes: 0,
  };
}
