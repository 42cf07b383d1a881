import { APK_DATABASES, baseOf, DPKG_STATUS_DIRECTORY, normalizePath } from '@sluice/domain/sbom';
import { apkOwnedFiles } from '../catalogers/apk.ts';
import { vendorPackages } from '../catalogers/dpkg.ts';
import { linesOf } from '../catalogers/lines.ts';

const DPKG_LIST = /^var\/lib\/dpkg\/info\/[^/]+\.list$/;
/** With a merged /usr the archive has `usr/lib/x` where the package's list says `/lib/x`. */
const MERGED = /^(?:bin|sbin|lib|lib32|lib64|libx32)\//;

/**
 * Tells which files of a layer a package of the distribution installed. The lists of files are kept until the end of
 * the layer, because they may come before or after the files that they name.
 */
export class Owners {
  readonly #maxBytes: number;
  readonly #lists: { readonly path: string; readonly content: Buffer }[] = [];
  #vendorPackages: Set<string> = new Set();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  static isList(path: string): boolean {
    return (
      DPKG_LIST.test(path) || (path.startsWith(`${DPKG_STATUS_DIRECTORY}/`) && path.endsWith('.md5sums'))
    );
  }

  /** Lists beyond the limit are left out: files then count as nobody's, which hides nothing. */
  addList(path: string, content: Buffer): void {
    this.#bytes += content.length;
    if (this.#bytes <= this.#maxBytes) this.#lists.push({ path, content });
  }

  /** The database itself: it says who maintains each package, and for apk also the files. */
  addDatabase(path: string, content: Buffer): void {
    if ((APK_DATABASES as readonly string[]).includes(path)) this.addList(path, content);
    else for (const name of vendorPackages(content)) this.#vendorPackages.add(name);
  }

  /** Path -> package, for those of the given paths that a package of the vendor installed. */
  ownersOf(paths: ReadonlySet<string>): Map<string, string> {
    const owners = new Map<string, string>();
    if (paths.size === 0) return owners;
    for (const { path, owner } of this.#ownedFiles()) {
      const merged = MERGED.test(path) ? `usr/${path}` : path;
      for (const candidate of new Set([path, merged])) if (paths.has(candidate)) owners.set(candidate, owner);
    }
    return owners;
  }

  *#ownedFiles(): Generator<{ path: string; owner: string }> {
    for (const list of this.#lists) {
      if (list.path.endsWith('.list') || list.path.endsWith('.md5sums')) {
        const owner = baseOf(list.path).replace(/(?::[^:]*)?\.(?:list|md5sums)$/, '');
        if (!this.#vendorPackages.has(owner)) continue;
        const isSums = list.path.endsWith('.md5sums');
        for (const line of linesOf(list.content)) {
          yield { path: normalizePath(isSums ? line.replace(/^\S+\s+/, '') : line).path, owner };
        }
      } else {
        yield* apkOwnedFiles(list.content);
      }
    }
  }
}
