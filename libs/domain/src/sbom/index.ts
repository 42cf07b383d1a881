export { SluiceError } from '../errors.ts';
export { buildInventory } from './build-inventory.ts';
export { type SbomSubject, toCycloneDx } from './cyclonedx.ts';
export { type Distribution, distributionOf } from './distribution.ts';
export type { Gap, Inventory, InventoryPackage } from './inventory.ts';
export {
  CATALOGER_VERSION,
  emptyLayerRecord,
  type CatalogedPackage,
  type LayerFile,
  type LayerLink,
  type LayerRecord,
  type LayerState,
  type PackageFormat,
} from './layer-record.ts';
export {
  APK_DATABASES,
  DISTRIBUTION_FILES,
  DPKG_STATUS,
  DPKG_STATUS_DIRECTORY,
  WELL_KNOWN_PATHS,
} from './locations.ts';
export { PathSet, PathSetBuilder } from './path-set.ts';
export { ancestorsOf, baseOf, normalizePath, parentOf, resolveParent, resolvePath } from './paths.ts';
export { buildPurl, purlOf, type PurlParts } from './purl.ts';
