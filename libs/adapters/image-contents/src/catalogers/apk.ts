import { APK_DATABASES, type CatalogedPackage } from '@sluice/domain/sbom';
import {
  type Catalog,
  cleanText,
  DATABASE_MAX_BYTES,
  DATABASE_MAX_PACKAGES,
  type FileCataloger,
  TOO_MANY_PACKAGES,
} from './cataloger.ts';
import { linesOf } from './lines.ts';

/** P name, V version, A architecture, o origin (the source package), L licence. */
const FIELDS = 'PVAoL';

/**
 * The database of apk: stanzas of `<letter>:<value>` lines (apk-tools, "Installed database").
 */
export const APK_CATALOGER: FileCataloger = {
  format: 'apk',
  maxBytes: DATABASE_MAX_BYTES,
  matches: (path) => (APK_DATABASES as readonly string[]).includes(path),
  catalog: (content) => catalogApk(content),
};

export function catalogApk(content: Buffer): Catalog {
  const packages: CatalogedPackage[] = [];
  let broken = 0;
  for (const fields of stanzas(content)) {
    const entry = packageOf(fields);
    if (entry === null) broken += 1;
    else packages.push(entry);
    if (packages.length === DATABASE_MAX_PACKAGES) return { packages, problem: TOO_MANY_PACKAGES };
  }
  if (broken > 0) return { packages, problem: `${broken} entries of the package database cannot be read` };
  const isEmpty = packages.length === 0 && content.length > 0;
  return { packages, problem: isEmpty ? 'the package database has content but names no package' : null };
}

function packageOf(fields: ReadonlyMap<string, string>): CatalogedPackage | null {
  const name = cleanText(fields.get('P') ?? '');
  const version = cleanText(fields.get('V') ?? '');
  if (name === '' || version === '') return null;
  const origin = cleanText(fields.get('o') ?? '');
  return {
    name,
    version,
    architecture: cleanText(fields.get('A') ?? '') || null,
    // A subpackage always has the version of its origin.
    source: origin === '' ? null : { name: origin, version },
    license: cleanText(fields.get('L') ?? '') || null,
  };
}

function* stanzas(content: Buffer): Generator<ReadonlyMap<string, string>> {
  let fields = new Map<string, string>();
  for (const line of linesOf(content)) {
    if (line === '') {
      if (fields.size > 0) yield fields;
      fields = new Map();
    } else if (line[1] === ':') {
      const key = line.slice(0, 1);
      if (FIELDS.includes(key) && !fields.has(key)) fields.set(key, line.slice(2));
    } else {
      // A line of another form makes the stanza unreadable: the fields after it may belong to anything.
      fields.delete('P');
      fields.set('?', line);
    }
  }
  if (fields.size > 0) yield fields;
}

/** Which package installed which file: path -> package name. */
export function* apkOwnedFiles(content: Buffer): Generator<{ path: string; owner: string }> {
  let owner = '';
  let directory = '';
  for (const line of linesOf(content)) {
    const value = line.slice(2);
    if (line.startsWith('P:')) [owner, directory] = [value, ''];
    else if (line.startsWith('F:')) directory = value;
    else if (line.startsWith('R:')) yield { path: directory === '' ? value : `${directory}/${value}`, owner };
  }
}
