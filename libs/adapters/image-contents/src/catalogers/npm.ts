import { type Catalog, cleanText, type FileCataloger, MANIFEST_MAX_BYTES } from './cataloger.ts';

/**
 * Installed npm packages: every `package.json` below a `node_modules` that has a name and a version
 * (npm documentation, "package.json"). Others below it are settings of a directory, not packages.
 */
export const NPM_CATALOGER: FileCataloger = {
  format: 'npm',
  maxBytes: MANIFEST_MAX_BYTES,
  matches: (path) => path.endsWith('/package.json') && /(?:^|\/)node_modules\//.test(path),
  catalog: catalogPackageJson,
};

/** The place where npm installs: `node_modules/<name>` or `node_modules/@<scope>/<name>`. */
const INSTALLED = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/;

export function catalogPackageJson(content: Buffer, path: string): Catalog | null {
  const manifest = parse(content);
  if (manifest === null) {
    // Packages ship broken manifests as test data; only the one of an installed package matters.
    return INSTALLED.test(path) ? { packages: [], problem: 'package.json cannot be read' } : null;
  }
  const name = textOf(manifest['name']);
  const version = textOf(manifest['version']);
  if (name === '' || version === '') return null;
  const license = textOf(manifest['license']) || null;
  return { packages: [{ name, version, architecture: null, source: null, license }], problem: null };
}

function parse(content: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(content.toString('utf8').replace(/^\ufeff/, ''));
    return isObject(value) ? value : null;
  } catch {
    // Malformed JSON is one of the two answers of this function.
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' && value.length <= 1000 ? cleanText(value) : '';
}
