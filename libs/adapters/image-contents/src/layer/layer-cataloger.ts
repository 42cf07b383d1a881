import {
  ancestorsOf,
  baseOf,
  type LayerFile,
  type LayerLink,
  normalizePath,
  parentOf,
  PathSet,
  PathSetBuilder,
  resolvePath,
  WELL_KNOWN_PATHS,
} from '@sluice/domain/sbom';
import { APK_CATALOGER } from '../catalogers/apk.ts';
import type { FileCataloger } from '../catalogers/cataloger.ts';
import {
  catalogDistribution,
  DISTRIBUTION_MAX_BYTES,
  isDistributionFile,
} from '../catalogers/distribution.ts';
import { DPKG_CATALOGER } from '../catalogers/dpkg.ts';
import { catalogExecutable } from '../catalogers/go-binary.ts';
import { NPM_CATALOGER } from '../catalogers/npm.ts';
import { PYTHON_CATALOGER } from '../catalogers/python.ts';
import { unreadFormatOf } from '../catalogers/unread.ts';
import { type CapturedElf, ElfCapture } from '../elf/elf-capture.ts';
import type { ByteRange } from '../elf/sparse-file.ts';
import type { LayerLimits } from '../limits.ts';
import type { ContentSink, TarEntry, TarHandler } from '../tar/tar-parser.ts';
import { BufferedContent } from './buffered-content.ts';
import { Owners } from './owners.ts';

const CATALOGERS: readonly FileCataloger[] = [DPKG_CATALOGER, APK_CATALOGER, NPM_CATALOGER, PYTHON_CATALOGER];
/** image-spec, layer.md, "Whiteouts". */
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** AUFS kept its own files under this prefix; they mean nothing in an image. */
const WHITEOUT_META = '.wh..wh.';
const SMALLEST_ELF = 52;
const MAX_REASONS = 50;
const MAX_LIST_BYTES = 32 * 2 ** 20;
const CACHED_PARENTS = 10_000;
/** Looking for what was in a replaced directory takes a walk over all files; no honest archive does it often. */
const MAX_REPLACED_DIRECTORIES = 1000;
/** What an entry of a map takes beside its texts, roughly. */
const ENTRY_BYTES = 200;

/** What a cataloged layer holds; the reader adds digests and the state. */
export interface LayerCatalog {
  readonly files: readonly LayerFile[];
  readonly links: readonly LayerLink[];
  readonly whiteouts: readonly string[];
  readonly opaque: readonly string[];
  readonly paths: string;
  readonly directories: string;
  readonly entries: number;
  /** What was left out, one sentence each; empty when everything was read. */
  readonly reasons: readonly string[];
}

/** Content that is to be read by the rules for files named `name` and recorded as standing at `path`. */
interface Alias {
  readonly name: string;
  readonly path: string;
}

type Reader = (content: Buffer) => void;

/**
 * Catalogs the entries of one layer as the handler of a tar parser, once for each pass over the layer: the first
 * looks at everything; later ones read only what a link or an executable seen before asks for.
 */
export class LayerCataloger implements TarHandler {
  readonly #limits: LayerLimits;
  readonly #owners: Owners;
  readonly #files = new Map<string, LayerFile>();
  /** Ancestors of recorded files, to see when an entry replaces a directory that holds some. */
  readonly #parents = new Set<string>();
  readonly #links = new Map<string, string>();
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  readonly #paths = new PathSetBuilder();
  readonly #directories = new PathSetBuilder();
  readonly #reasons = new Set<string>();
  readonly #resolvedParents = new Map<string, string>();
  /** Content that links lead to, by its own path. */
  readonly #aliases = new Map<string, Alias[]>();
  /** Directories that a link presents as `node_modules`. */
  readonly #moduleRoots = new Set<string>();
  readonly #ranges = new Map<string, ByteRange[]>();
  #isFirstPass = true;
  #entries = 0;
  #packages = 0;
  #recordBytes = 0;
  #replacedDirectories = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
    this.#owners = new Owners(limits.maxListBytes);
  }

  note(reason: string): void {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason.toWellFormed());
  }

  entry(entry: TarEntry): ContentSink | null {
    const { path: written, escapes } = normalizePath(entry.name);
    if (!this.#isFirstPass)
      return entry.type === 'file' ? this.#readAgain(this.#landing(written), entry) : null;
    if (escapes) this.note(`the entry "${entry.name.slice(0, 100)}" leads out of the image`);
    if (written === '' || this.#takeWhiteout(written)) return null;
    const path = this.#landing(written);
    if (depthOf(path) > this.#limits.maxPathDepth) {
      this.note(`paths of more than ${this.#limits.maxPathDepth} directories are not read`);
      return null;
    }
    this.#forget(path, entry.type);
    if (entry.type === 'directory') {
      this.#directories.add(path);
      return null;
    }
    this.#paths.add(path);
    this.#entries += 1;
    switch (entry.type) {
      case 'symlink':
        if (this.#spend(path.length + entry.linkName.length)) this.#links.set(path, entry.linkName);
        this.#resolvedParents.clear();
        return null;
      case 'hardlink':
        this.#takeHardLink(path, entry.linkName);
        return null;
      case 'file':
        return this.#sinkFor(path, entry);
      default:
        return null;
    }
  }

  /** Ends a pass. True when the layer must be read once more to be complete. */
  endPass(): boolean {
    if (this.#isFirstPass) this.#followLinks();
    else {
      this.#aliases.clear();
      this.#moduleRoots.clear();
    }
    this.#isFirstPass = false;
    return this.#aliases.size > 0 || this.#moduleRoots.size > 0 || this.#ranges.size > 0;
  }

  /** What was found. Content that was asked for and never came is named. */
  finish(): LayerCatalog {
    for (const path of this.#ranges.keys())
      this.note(`${path}: the build information could not be collected`);
    const owners = this.#owners.ownersOf(new Set(this.#files.keys()));
    return {
      files: [...this.#files.values()].map((file) => withOwner(file, owners)),
      links: this.#keptLinks(),
      whiteouts: [...this.#whiteouts],
      opaque: [...this.#opaque],
      paths: this.#paths.build(),
      directories: this.#directories.build(),
      entries: this.#entries,
      reasons: [...this.#reasons],
    };
  }

  /** True when the entry is an instruction and not a file. Whiteouts act on lower layers only. */
  #takeWhiteout(path: string): boolean {
    const base = baseOf(path);
    if (!base.startsWith(WHITEOUT)) return false;
    const directory = parentOf(path);
    if (!this.#spend(path.length)) return true;
    if (base === OPAQUE) this.#opaque.add(directory);
    else if (!base.startsWith(WHITEOUT_META) && base !== WHITEOUT) {
      const name = base.slice(WHITEOUT.length);
      this.#whiteouts.add(directory === '' ? name : `${directory}/${name}`);
    }
    return true;
  }

  /** Where a runtime would put the entry: links of this layer on the way to it are followed. */
  #landing(path: string): string {
    if (this.#links.size === 0) return path;
    const parent = parentOf(path);
    let resolved = this.#resolvedParents.get(parent);
    if (resolved === undefined) {
      resolved = resolvePath(parent, this.#links) ?? parent;
      if (this.#resolvedParents.size >= CACHED_PARENTS) this.#resolvedParents.clear();
      this.#resolvedParents.set(parent, resolved);
    }
    return resolved === '' ? baseOf(path) : `${resolved}/${baseOf(path)}`;
  }

  /** Of duplicate entries the last one counts; what is no directory also replaces a directory of its name. */
  #forget(path: string, type: TarEntry['type']): void {
    this.#files.delete(path);
    if (this.#links.delete(path)) this.#resolvedParents.clear();
    this.#aliases.delete(path);
    this.#ranges.delete(path);
    if (type === 'directory' || !this.#parents.delete(path)) return;
    this.#replacedDirectories += 1;
    if (this.#replacedDirectories > MAX_REPLACED_DIRECTORIES) {
      this.note('the archive replaces its own directories too often; what was in them is still counted');
      return;
    }
    for (const known of this.#files.keys()) if (known.startsWith(`${path}/`)) this.#files.delete(known);
  }

  /** False when the record has no room for that many characters more; the layer is partial then. */
  #spend(characters: number): boolean {
    this.#recordBytes += characters + ENTRY_BYTES;
    if (this.#recordBytes <= this.#limits.maxRecordBytes) return true;
    this.note(
      `what the layer says takes more than ${this.#limits.maxRecordBytes} bytes; the rest was left out`,
    );
    return false;
  }

  #takeHardLink(path: string, linkName: string): void {
    const target = this.#landing(normalizePath(linkName).path);
    const file = this.#files.get(target);
    const isByContent = file?.kind === 'packages' && file.format === 'go';
    if (file !== undefined && (isByContent || isCandidate(path))) this.#record({ ...file, path });
    else if (isCandidate(path)) this.#addAlias(target, { name: path, path });
  }

  #addAlias(target: string, alias: Alias): void {
    if (!this.#spend(target.length + alias.path.length)) return;
    const aliases = this.#aliases.get(target);
    if (aliases === undefined) this.#aliases.set(target, [alias]);
    else aliases.push(alias);
  }

  #sinkFor(path: string, entry: TarEntry): ContentSink | null {
    if (entry.isSparse) {
      this.note(`${path}: sparse files are not read`);
      return null;
    }
    if (Owners.isList(path)) {
      if (entry.sizeBytes > MAX_LIST_BYTES) return null;
      return new BufferedContent((content) => this.#owners.addList(path, content));
    }
    if (!isCandidate(path)) return this.#executableSink(path, entry);
    const reader = this.#readerFor({ name: path, path }, entry.sizeBytes);
    return reader === null ? null : new BufferedContent(reader);
  }

  /** Null when the content is not needed: too large, or of a format that is only named. */
  #readerFor(alias: Alias, sizeBytes: number): Reader | null {
    const { name, path } = alias;
    if (isDistributionFile(name)) {
      if (sizeBytes <= DISTRIBUTION_MAX_BYTES) {
        return (content) =>
          this.#record({ kind: 'distribution', path, fields: catalogDistribution(content, name) });
      }
      this.note(`${path}: ${sizeBytes} bytes are too many for the name of a distribution`);
      return null;
    }
    const cataloger = CATALOGERS.find((candidate) => candidate.matches(name));
    if (cataloger !== undefined) return this.#catalogReader(alias, cataloger, sizeBytes);
    const format = unreadFormatOf(name);
    if (format !== null) this.#record({ kind: 'unread', path, format, ownedBy: null });
    return null;
  }

  #catalogReader({ name, path }: Alias, cataloger: FileCataloger, sizeBytes: number): Reader | null {
    const { format, maxBytes } = cataloger;
    if (sizeBytes > maxBytes) {
      const problem = `${sizeBytes} bytes are more than the ${maxBytes} that are read`;
      this.#record({ kind: 'packages', path, format, packages: [], ownedBy: null, problem });
      return null;
    }
    return (content) => {
      const catalog = cataloger.catalog(content, name);
      if (catalog === null) return;
      if (isSystemFormat(format)) this.#owners.addDatabase(name, content);
      this.#record({ kind: 'packages', path, format, ownedBy: null, ...catalog });
    };
  }

  #executableSink(path: string, entry: TarEntry): ContentSink | null {
    if (entry.sizeBytes < SMALLEST_ELF) return null;
    const ranges = this.#ranges.get(path) ?? [];
    return new ElfCapture(entry.sizeBytes, ranges, (captured) => this.#takeExecutable(path, captured));
  }

  #takeExecutable(path: string, captured: CapturedElf): void {
    const catalog = catalogExecutable(captured);
    const ranges = this.#ranges.get(path) ?? [];
    this.#ranges.delete(path);
    switch (catalog.kind) {
      case 'go': {
        const { packages, problem } = catalog;
        this.#record({ kind: 'packages', path, format: 'go', packages, ownedBy: null, problem });
        break;
      }
      case 'unread':
        this.#record({ kind: 'unread', path, format: catalog.format, ownedBy: null });
        break;
      case 'missing':
        this.#ranges.set(path, [...ranges, ...catalog.ranges]);
        break;
      case 'other':
        break;
    }
  }

  #readAgain(path: string, entry: TarEntry): ContentSink | null {
    const aliases = [...(this.#aliases.get(path) ?? []), ...this.#moduleAliases(path)];
    if (aliases.length > 0 && !entry.isSparse) {
      const readers = aliases
        .map((alias) => this.#readerFor(alias, entry.sizeBytes))
        .filter((reader) => reader !== null);
      return new BufferedContent((content) => readers.forEach((reader) => reader(content)));
    }
    return this.#ranges.has(path) ? this.#executableSink(path, entry) : null;
  }

  #moduleAliases(path: string): Alias[] {
    if (!path.endsWith('/package.json') || isCandidate(path)) return [];
    const root = ancestorsOf(path).find((ancestor) => this.#moduleRoots.has(ancestor));
    return root === undefined ? [] : [{ name: `node_modules${path.slice(root.length)}`, path }];
  }

  /** Looks for package files that stand elsewhere and are reached through links of this layer. */
  #followLinks(): void {
    const paths = new PathSet(this.#paths.build());
    const starts = [...WELL_KNOWN_PATHS, ...[...this.#links.keys()].filter(isCandidate)];
    for (const start of starts) {
      const target = resolvePath(start, this.#links);
      if (target === null || target === start || this.#files.has(target) || !paths.has(target)) continue;
      this.#addAlias(target, { name: start, path: target });
    }
    for (const link of this.#links.keys()) {
      const target = baseOf(link) === 'node_modules' ? resolvePath(link, this.#links) : null;
      if (target !== null && target !== '' && !/(?:^|\/)node_modules(?:\/|$)/.test(target)) {
        this.#moduleRoots.add(target);
      }
    }
  }

  #record(file: LayerFile): void {
    if (file.kind === 'packages') {
      this.#packages += file.packages.length;
      if (this.#packages > this.#limits.maxPackages) {
        this.note(`the layer names more than ${this.#limits.maxPackages} packages; the rest was left out`);
        return;
      }
    }
    if (!this.#spend(charactersOf(file))) return;
    this.#files.set(file.path, file);
    for (const ancestor of ancestorsOf(file.path)) this.#parents.add(ancestor);
  }

  /** Links on the way to well-known paths always; of the others as many as the limit allows. */
  #keptLinks(): LayerLink[] {
    const important = new Set(WELL_KNOWN_PATHS.flatMap((path) => [path, ...ancestorsOf(path)]));
    const links = [...this.#links].map(([path, target]) => ({ path, target }));
    const [first, rest] = [
      links.filter((link) => important.has(link.path)),
      links.filter((link) => !important.has(link.path)),
    ];
    return [...first, ...rest.slice(0, this.#limits.maxLinks)];
  }
}

function depthOf(path: string): number {
  let depth = 0;
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) depth += 1;
  return depth;
}

function charactersOf(file: LayerFile): number {
  // Each ancestor of the path is an entry of its own.
  const own = file.path.length + depthOf(file.path) * ENTRY_BYTES;
  if (file.kind !== 'packages') return own;
  return file.packages.reduce(
    (sum, { name, version, license, source }) =>
      sum + name.length + version.length + (license?.length ?? 0) + (source?.name.length ?? 0) + ENTRY_BYTES,
    own,
  );
}

/** Whether a file of that path is read for its name alone. */
function isCandidate(path: string): boolean {
  return (
    isDistributionFile(path) ||
    CATALOGERS.some((cataloger) => cataloger.matches(path)) ||
    unreadFormatOf(path) !== null
  );
}

function withOwner(file: LayerFile, owners: ReadonlyMap<string, string>): LayerFile {
  const isSystem = file.kind === 'distribution' || (file.kind === 'packages' && isSystemFormat(file.format));
  const owner = owners.get(file.path);
  return isSystem || owner === undefined ? file : { ...file, ownedBy: owner };
}

function isSystemFormat(format: string): boolean {
  return format === 'dpkg' || format === 'apk';
}
