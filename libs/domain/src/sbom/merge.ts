import type { LayerFile, LayerRecord } from './layer-record.ts';
import { PathSet } from './path-set.ts';
import { ancestorsOf, resolveParent, resolvePath } from './paths.ts';

/** A file that is left in the image after all layers, and the layers that brought the packages in it. */
export interface MergedFile {
  readonly file: LayerFile;
  /** Key of a package (see {@link packageKey}) -> DiffID of the first layer since which the file has named it. */
  readonly origins: ReadonlyMap<string, string>;
}

/** What is left of the layers of an image. */
export interface MergedImage {
  readonly files: ReadonlyMap<string, MergedFile>;
  readonly links: ReadonlyMap<string, string>;
  /** Whether some layer has an entry of that name that is not a directory. */
  hasEntry(path: string): boolean;
  hasDirectory(path: string): boolean;
  readonly entries: number;
}

/**
 * Stacks layers, lowest first (image-spec, layer.md, "Applying Changesets"): each layer's opaque directories and
 * whiteouts act on the layers below, then its own entries replace what stood in their place. A link of a lower layer
 * (`/lib` -> `usr/lib`) redirects what an upper layer writes through it, as it does when a runtime unpacks.
 */
export function mergeLayers(records: readonly LayerRecord[]): MergedImage {
  const files = new Map<string, MergedFile>();
  const links = new Map<string, string>();
  const sets: PathSet[] = [];
  const directorySets: PathSet[] = [];
  for (const record of records) {
    const paths = new PathSet(record.paths);
    const directories = new PathSet(record.directories);
    sets.push(paths);
    directorySets.push(directories);
    removeHidden(record, files, links);
    const replaced = removeReplaced(paths, directories, files, links);
    addEntries(record, replaced, files, links);
  }
  return {
    files,
    links,
    hasEntry: (path) => sets.some((set) => set.has(path)),
    hasDirectory: (path) => directorySets.some((set) => set.has(path)),
    entries: sets.reduce((sum, set) => sum + set.size, 0),
  };
}

/** Identifies a package within its file: the same name, version and architecture is the same package. */
export function packageKey(package_: { name: string; version: string; architecture: string | null }): string {
  return `${package_.name}\n${package_.version}\n${package_.architecture ?? ''}`;
}

function removeHidden(record: LayerRecord, files: Map<string, MergedFile>, links: Map<string, string>): void {
  for (const directory of record.opaque) {
    const path = resolvePath(directory, links);
    if (path !== null) removeBelow(path, files, links);
  }
  for (const whiteout of record.whiteouts) {
    const path = resolveParent(whiteout, links);
    if (path === null) continue;
    files.delete(path);
    links.delete(path);
    removeBelow(path, files, links);
  }
}

function removeBelow(directory: string, ...maps: Map<string, unknown>[]): void {
  const prefix = directory === '' ? '' : `${directory}/`;
  for (const map of maps) {
    for (const path of map.keys()) if (path.startsWith(prefix)) map.delete(path);
  }
}

/** Takes out what entries of the new layer stand in place of; the files among it are returned for their origins. */
function removeReplaced(
  paths: PathSet,
  directories: PathSet,
  files: Map<string, MergedFile>,
  links: Map<string, string>,
): Map<string, MergedFile> {
  const replaced = new Map<string, MergedFile>();
  const known = new Map<string, boolean>();
  const isNoDirectory = (path: string): boolean => {
    const answer = known.get(path) ?? paths.has(path);
    known.set(path, answer);
    return answer;
  };
  const isReplaced = (path: string): boolean =>
    isNoDirectory(path) || directories.has(path) || ancestorsOf(path).some(isNoDirectory);
  for (const [path, merged] of files) {
    if (!isReplaced(path)) continue;
    replaced.set(path, merged);
    files.delete(path);
  }
  for (const path of links.keys()) if (isReplaced(path)) links.delete(path);
  return replaced;
}

function addEntries(
  record: LayerRecord,
  replaced: ReadonlyMap<string, MergedFile>,
  files: Map<string, MergedFile>,
  links: Map<string, string>,
): void {
  for (const link of record.links) links.set(resolveParent(link.path, links) ?? link.path, link.target);
  for (const file of record.files) {
    const path = resolveParent(file.path, links) ?? file.path;
    const previous = files.get(path) ?? replaced.get(path);
    files.set(path, { file, origins: originsOf(file, record.diffId, previous) });
  }
}

function originsOf(file: LayerFile, diffId: string, previous: MergedFile | undefined): Map<string, string> {
  const packages = file.kind === 'packages' ? file.packages : [];
  return new Map(
    packages.map((package_) => {
      const key = packageKey(package_);
      return [key, previous?.origins.get(key) ?? diffId];
    }),
  );
}
