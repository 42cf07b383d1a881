import { normalizePackageName } from '@sluice/domain/vulnerability';
import { type Catalog, cleanText, type FileCataloger, MANIFEST_MAX_BYTES } from './cataloger.ts';

/**
 * Installed Python distributions: `*.dist-info/METADATA` (PyPA, "Recording installed projects") and the older
 * `*.egg-info`, as a directory or as a file. Names are normalised as PEP 503 says.
 */
export const PYTHON_CATALOGER: FileCataloger = {
  format: 'python',
  maxBytes: MANIFEST_MAX_BYTES,
  matches: (path) =>
    /(?:\.dist-info\/METADATA|\.egg-info\/PKG-INFO|EGG-INFO\/PKG-INFO|\.egg-info)$/.test(path),
  catalog: (content) => catalogPythonMetadata(content),
};

/** Core metadata is in the form of mail headers; the first blank line ends them, what follows is the description. */
export function catalogPythonMetadata(content: Buffer): Catalog {
  const headers = new Map<string, string>();
  for (const line of content
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)) {
    if (line === '') break;
    const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    const key = (match?.[1] ?? '').toLowerCase();
    if (match !== null && !headers.has(key)) headers.set(key, cleanText(match[2] ?? ''));
  }
  const name = headers.get('name') ?? '';
  const version = headers.get('version') ?? '';
  if (name === '' || version === '') {
    return { packages: [], problem: 'the metadata name no distribution or no version' };
  }
  const license = headers.get('license-expression') ?? null;
  return {
    packages: [
      { name: normalizePackageName('PyPI', name), version, architecture: null, source: null, license },
    ],
    problem: null,
  };
}
