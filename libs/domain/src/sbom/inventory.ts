import type { Distribution } from './distribution.ts';
import type { PackageFormat } from './layer-record.ts';

/** One package version at one place of an image. */
export interface InventoryPackage {
  readonly format: PackageFormat;
  readonly name: string;
  /** Empty when nothing says it. */
  readonly version: string;
  readonly architecture: string | null;
  /** What advisories speak of: the source package of a distribution, else name and version of the package. */
  readonly source: { readonly name: string; readonly version: string };
  /** OSV ecosystem with the release, e.g. `Debian:12`; null when no advisory source that we know speaks of it. */
  readonly ecosystem: string | null;
  readonly purl: string;
  /** The package database or manifest that names it. */
  readonly path: string;
  /** DiffID of the layer that brought it. */
  readonly layer: string;
  /** The distribution's package that installed it; the distribution's advisories then count, not its own ecosystem's. */
  readonly ownedBy: string | null;
  readonly license: string | null;
}

/** Something of the image that the inventory cannot speak for. `corrupt` content may hold anything. */
export interface Gap {
  readonly kind: 'corrupt' | 'unread';
  /** One sentence for a person. */
  readonly reason: string;
}

/** What is installed in an image, merged from its layers. */
export interface Inventory {
  readonly catalogerVersion: number;
  readonly distribution: Distribution | null;
  /** Sorted by purl and path. */
  readonly packages: readonly InventoryPackage[];
  readonly gaps: readonly Gap[];
  /** DiffIDs, lowest layer first. */
  readonly layers: readonly string[];
}
