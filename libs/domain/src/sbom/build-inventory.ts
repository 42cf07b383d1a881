import { type Distribution, distributionOf } from './distribution.ts';
import type { Gap, Inventory, InventoryPackage } from './inventory.ts';
import { CATALOGER_VERSION, type LayerFile, type LayerRecord } from './layer-record.ts';
import { APK_DATABASES, DISTRIBUTION_FILES, DPKG_STATUS, DPKG_STATUS_DIRECTORY } from './locations.ts';
import { type MergedFile, type MergedImage, mergeLayers, packageKey } from './merge.ts';
import { resolvePath } from './paths.ts';
import { purlOf } from './purl.ts';

type PackagesFile = Extract<LayerFile, { kind: 'packages' }>;

interface Database {
  readonly path: string;
  readonly file: PackagesFile;
  readonly origins: ReadonlyMap<string, string>;
}

/** What reading the databases of the distribution gave: those found, and why others could not be. */
interface SystemDatabases {
  readonly found: readonly Database[];
  readonly gaps: readonly string[];
}

/**
 * The inventory of an image from the records of its layers, lowest first. Pure; the same records give the same
 * inventory. Whatever could not be read is a {@link Gap}, so that "no packages" never means "nothing was read".
 */
export function buildInventory(records: readonly LayerRecord[]): Inventory {
  const image = mergeLayers(records);
  const distribution = findDistribution(image);
  const system = findSystemDatabases(image);
  const language = languageFiles(image);
  const packages = [...system.found, ...language]
    .flatMap((database) => packagesOf(database, distribution))
    .toSorted((left, right) => compare(left.purl, right.purl) || compare(left.path, right.path));
  const reasons = [
    ...system.gaps,
    ...[...system.found, ...language].flatMap(({ path, file }) =>
      file.problem === null || file.ownedBy !== null ? [] : [`${path}: ${file.problem}`],
    ),
    ...unreadFormats(image),
    ...unreadModuleLinks(image),
    ...distributionGaps(distribution, system, image),
  ];
  return {
    catalogerVersion: records[0]?.catalogerVersion ?? CATALOGER_VERSION,
    distribution,
    packages,
    gaps: [
      ...records.flatMap(layerGaps),
      ...reasons.map((reason): Gap => ({ kind: 'unread', reason })),
      ...nothingRecognised(image, packages, reasons, distribution),
    ],
    layers: records.map((record) => record.diffId),
  };
}

function layerGaps(record: LayerRecord): Gap[] {
  return record.reasons.map((reason) => ({
    kind: record.state === 'corrupt' ? 'corrupt' : 'unread',
    reason: `layer ${record.diffId}: ${reason}`,
  }));
}

function findDistribution(image: MergedImage): Distribution | null {
  for (const location of DISTRIBUTION_FILES) {
    const path = resolvePath(location, image.links);
    const file = path === null ? undefined : image.files.get(path)?.file;
    const distribution = file?.kind === 'distribution' ? distributionOf(file.fields) : null;
    if (distribution !== null) return distribution;
  }
  return null;
}

function findSystemDatabases(image: MergedImage): SystemDatabases {
  const found = new Map<string, Database>();
  const gaps: string[] = [];
  for (const location of [DPKG_STATUS, ...APK_DATABASES]) {
    const path = resolvePath(location, image.links);
    const merged = path === null ? undefined : image.files.get(path);
    if (path !== null && merged?.file.kind === 'packages') {
      found.set(path, { path, file: merged.file, origins: merged.origins });
    } else if (path !== null && path !== location && image.hasEntry(path)) {
      gaps.push(`${location} is a link to ${path}, which was not read`);
    }
  }
  const stanzas = resolvePath(DPKG_STATUS_DIRECTORY, image.links);
  if (stanzas !== null && stanzas !== DPKG_STATUS_DIRECTORY && image.hasDirectory(stanzas)) {
    gaps.push(`${DPKG_STATUS_DIRECTORY} is a link, which is not followed`);
  }
  for (const [path, { file, origins }] of image.files) {
    const isStanza = path.startsWith(`${DPKG_STATUS_DIRECTORY}/`);
    if (isStanza && file.kind === 'packages') found.set(path, { path, file, origins });
  }
  return { found: [...found.values()], gaps };
}

function languageFiles(image: MergedImage): Database[] {
  return [...image.files].flatMap(([path, { file, origins }]: [string, MergedFile]) =>
    file.kind === 'packages' && file.format !== 'dpkg' && file.format !== 'apk'
      ? [{ path, file, origins }]
      : [],
  );
}

function packagesOf(database: Database, distribution: Distribution | null): InventoryPackage[] {
  const { file, path, origins } = database;
  return file.packages.map((package_) => ({
    format: file.format,
    name: package_.name,
    version: package_.version,
    architecture: package_.architecture,
    source: package_.source ?? { name: package_.name, version: package_.version },
    ecosystem: ecosystemOf(file.format, distribution),
    purl: purlOf(file.format, package_, distribution),
    path,
    layer: origins.get(packageKey(package_)) ?? '',
    ownedBy: file.ownedBy,
    license: package_.license,
  }));
}

function ecosystemOf(format: PackagesFile['format'], distribution: Distribution | null): string | null {
  switch (format) {
    case 'npm':
      return 'npm';
    case 'python':
      return 'PyPI';
    case 'go':
      return 'Go';
    case 'dpkg':
    case 'apk':
      return distribution?.ecosystem ?? null;
  }
}

function unreadFormats(image: MergedImage): string[] {
  const byFormat = new Map<string, string[]>();
  for (const [path, { file }] of image.files) {
    if (file.kind !== 'unread' || file.ownedBy !== null) continue;
    const paths = byFormat.get(file.format);
    if (paths === undefined) byFormat.set(file.format, [path]);
    else paths.push(path);
  }
  return [...byFormat].map(([format, paths]) => {
    const more = paths.length === 1 ? '' : ` and ${paths.length - 1} more`;
    return `${format}: not read by this version of the scanner (${paths.toSorted()[0]}${more})`;
  });
}

/** `node_modules` may be a link; within one layer it is followed, but not to what another layer brought. */
function unreadModuleLinks(image: MergedImage): string[] {
  return [...image.links.keys()].flatMap((link) => {
    const target = /(?:^|\/)node_modules$/.test(link) ? resolvePath(link, image.links) : null;
    if (target === null || /(?:^|\/)node_modules(?:\/|$)/.test(target) || !image.hasDirectory(target))
      return [];
    const isRead = [...image.files.keys()].some((path) => path.startsWith(`${target}/`));
    return isRead ? [] : [`${link} is a link to ${target}, which was not read for packages`];
  });
}

/** A distribution without its packages, or packages without their distribution: somebody removed the other half. */
function distributionGaps(
  distribution: Distribution | null,
  system: SystemDatabases,
  image: MergedImage,
): string[] {
  const count = system.found.reduce((sum, { file }) => sum + file.packages.length, 0);
  if (count > 0 && distribution === null) {
    return [
      'there is a package database but nothing names the distribution, so that no advisories can be chosen',
    ];
  }
  if (count > 0 && distribution !== null && distribution.ecosystem === null) {
    return [`${distribution.name}: no advisory source is known for this distribution or release`];
  }
  const hasUnread = [...image.files.values()].some(({ file }) => file.kind === 'unread');
  if (distribution !== null && count === 0 && !hasUnread && system.gaps.length === 0) {
    return system.found.length === 0
      ? [`${distribution.name}: the package database is missing, so that its packages cannot be told`]
      : [`${distribution.name}: the package database lists no package`];
  }
  return [];
}

function nothingRecognised(
  image: MergedImage,
  packages: readonly InventoryPackage[],
  reasons: readonly string[],
  distribution: Distribution | null,
): Gap[] {
  if (image.entries === 0 || packages.length > 0 || reasons.length > 0 || distribution !== null) return [];
  return [
    {
      kind: 'unread',
      reason: `nothing that can be inventoried: ${image.entries} files, but no distribution, package database or known package format`,
    },
  ];
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
