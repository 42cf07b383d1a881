import type { CatalogedPackage } from '@sluice/domain/sbom';
import { readElfLayout } from '../elf/elf-layout.ts';
import type { CapturedElf } from '../elf/elf-capture.ts';
import { type GoBuildInfo, type GoModule, readGoBuildInfo } from '../elf/go-build-info.ts';
import { type ByteRange, MissingBytes } from '../elf/sparse-file.ts';
import { cleanText } from './cataloger.ts';

/** What an executable turned out to be. */
export type ExecutableCatalog =
  | { readonly kind: 'go'; readonly packages: readonly CatalogedPackage[]; readonly problem: string | null }
  | { readonly kind: 'unread'; readonly format: string }
  | { readonly kind: 'missing'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'other' };

const UNREADABLE = 'the build information of the Go binary cannot be read';

/** Reads what the linker left in an executable. Total: a malformed one is `other` or a problem. */
export function catalogExecutable(captured: CapturedElf): ExecutableCatalog {
  try {
    const info = readGoBuildInfo(captured.file, captured.goMarks);
    if (info !== null) return { kind: 'go', packages: packagesOf(info), problem: problemOf(info) };
    if (captured.isCrowded) return { kind: 'go', packages: [], problem: UNREADABLE };
    if (hasRustDependencies(captured))
      return { kind: 'unread', format: 'Rust dependency list (cargo-auditable)' };
  } catch (error) {
    if (error instanceof MissingBytes) return { kind: 'missing', ranges: error.ranges };
    if (!(error instanceof RangeError)) throw error;
    if (captured.goMarks.length > 0) {
      return { kind: 'go', packages: [], problem: UNREADABLE };
    }
  }
  return captured.isPacked ? { kind: 'unread', format: 'packed executable (UPX)' } : { kind: 'other' };
}

/** Modules, and the standard library under the name that the Go vulnerability database gives it. */
function packagesOf(info: GoBuildInfo): CatalogedPackage[] {
  const modules = [...(info.main === null ? [] : [info.main]), ...info.dependencies];
  const standard = { name: 'stdlib', version: standardLibraryVersion(info.goVersion) };
  return [standard, ...modules.map(effectiveModule)]
    .filter((module) => module.name !== '')
    .map((module) => ({
      name: cleanText(module.name),
      version: cleanText(module.version),
      architecture: null,
      source: null,
      license: null,
    }));
}

/** A replaced module is the one that was built in; a local directory has no version that anybody could compare. */
function effectiveModule(module: GoModule): { name: string; version: string } {
  const { replace } = module;
  const isLocal = replace !== null && /^\.{0,2}\//.test(replace.path);
  const built = replace === null || isLocal ? module : replace;
  const isUnknown = isLocal || built.version === '(devel)';
  return { name: built.path, version: isUnknown ? '' : built.version };
}

/** `go1.22.8` -> `1.22.8`, `go1.21rc2` -> `1.21.0-rc.2`; anything else (a development build) is unknown. */
function standardLibraryVersion(goVersion: string): string {
  const match = /^go(\d+)\.(\d+)(?:\.(\d+))?(?:(rc|beta)(\d+))?(?:[ -].*)?$/.exec(goVersion);
  if (match === null) return '';
  const [, major, minor, patch, phase, number] = match;
  return phase === undefined
    ? `${major}.${minor}${patch === undefined ? '' : `.${patch}`}`
    : `${major}.${minor}.${patch ?? '0'}-${phase}.${number}`;
}

/** Without modules the linker knows no dependencies. Single files and the Go tools themselves have none to name. */
function problemOf(info: GoBuildInfo): string | null {
  const hasNone = info.path === 'command-line-arguments' || info.path.startsWith('cmd/');
  return info.main === null && info.dependencies.length === 0 && !hasNone
    ? 'the Go binary was built without modules, so that its dependencies cannot be told'
    : null;
}

/** The mark also stands in programs that look for it; only among the section names does it name a section. */
function hasRustDependencies(captured: CapturedElf): boolean {
  if (captured.rustMarks.length === 0) return false;
  const names = readElfLayout(captured.file).sectionNames;
  return names !== null && captured.rustMarks.some((mark) => mark >= names.start && mark < names.end);
}
