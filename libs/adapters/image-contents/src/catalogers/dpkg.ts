import { type CatalogedPackage, DPKG_STATUS, DPKG_STATUS_DIRECTORY } from '@sluice/domain/sbom';
import {
  type Catalog,
  cleanText,
  DATABASE_MAX_BYTES,
  DATABASE_MAX_PACKAGES,
  type FileCataloger,
  TOO_MANY_PACKAGES,
} from './cataloger.ts';
import { type Paragraph, paragraphsOf } from './control-file.ts';

/**
 * `var/lib/dpkg/status`, and the single stanzas below `status.d` of images without a package manager.
 * Format: deb-control(5); fields: deb822(5), dpkg(1) "Package states".
 */
export const DPKG_CATALOGER: FileCataloger = {
  format: 'dpkg',
  maxBytes: DATABASE_MAX_BYTES,
  matches: (path) =>
    path === DPKG_STATUS || (path.startsWith(`${DPKG_STATUS_DIRECTORY}/`) && !path.endsWith('.md5sums')),
  catalog: (content) => catalogDpkg(content),
};

const FIELDS = new Set(['package', 'status', 'version', 'architecture', 'source', 'maintainer']);

/** States in which the package's files are not in the image. */
const ABSENT_STATES = new Set(['not-installed', 'config-files']);

export function catalogDpkg(content: Buffer): Catalog {
  const packages: CatalogedPackage[] = [];
  let broken = 0;
  const stanzas = paragraphsOf(
    content,
    (field) => FIELDS.has(field),
    () => {
      broken += 1;
    },
  );
  for (const stanza of stanzas) {
    if (!isInstalled(stanza)) continue;
    const entry = packageOf(stanza);
    if (entry === null) broken += 1;
    else packages.push(entry);
    if (packages.length === DATABASE_MAX_PACKAGES) return { packages, problem: TOO_MANY_PACKAGES };
  }
  return { packages, problem: problemOf(broken, packages.length, content.length) };
}

/** Names of packages that the vendor of the distribution maintains; others bring files that nobody else patches. */
export function vendorPackages(content: Buffer): Set<string> {
  const names = new Set<string>();
  for (const stanza of paragraphsOf(
    content,
    (field) => FIELDS.has(field),
    () => {},
  )) {
    if (isVendor(stanza.get('maintainer') ?? '')) names.add(stanza.get('package') ?? '');
    if (names.size === DATABASE_MAX_PACKAGES) break;
  }
  return names;
}

/** Packages of the distribution carry an address of it; a third party's package carries its own. */
function isVendor(maintainer: string): boolean {
  return /[@.](?:debian\.org|debian\.net|ubuntu\.com)>?\s*$/i.test(maintainer);
}

/** `Status: <want> <error> <state>`; stanzas of status.d have none and are installed. */
function isInstalled(paragraph: Paragraph): boolean {
  const status = paragraph.get('status');
  if (status === undefined) return true;
  const state = status.trim().split(/\s+/)[2] ?? '';
  return !ABSENT_STATES.has(state);
}

function packageOf(paragraph: Paragraph): CatalogedPackage | null {
  const name = cleanText(paragraph.get('package') ?? '');
  const version = cleanText(paragraph.get('version') ?? '');
  if (name === '' || version === '') return null;
  return {
    name,
    version,
    architecture: cleanText(paragraph.get('architecture') ?? '') || null,
    source: sourceOf(paragraph.get('source'), version),
    license: null,
  };
}

/** `Source: name` or `Source: name (version)`; what is absent is the same as the binary package's. */
function sourceOf(field: string | undefined, version: string): CatalogedPackage['source'] {
  const match = /^\s*(\S+)(?:\s+\((\S+)\))?\s*$/.exec(field ?? '');
  if (match === null) return null;
  return { name: cleanText(match[1] ?? ''), version: cleanText(match[2] ?? version) };
}

function problemOf(broken: number, packages: number, sizeBytes: number): string | null {
  if (broken > 0) return `${broken} entries of the package database cannot be read`;
  return packages === 0 && sizeBytes > 0
    ? 'the package database has content but names no installed package'
    : null;
}
