import { DISTRIBUTION_FILES } from '@sluice/domain/sbom';
import { cleanText } from './cataloger.ts';

export const DISTRIBUTION_MAX_BYTES = 64 * 2 ** 10;

export function isDistributionFile(path: string): boolean {
  return (DISTRIBUTION_FILES as readonly string[]).includes(path);
}

/** Fields of os-release(5), or the same fields made from the one-line files of older images. */
export function catalogDistribution(content: Buffer, path: string): Record<string, string> {
  const text = content.toString('utf8');
  const line = cleanText(text.split('\n', 1)[0] ?? '');
  if (path.endsWith('alpine-release')) return line === '' ? {} : { ID: 'alpine', VERSION_ID: line };
  // Testing and unstable have a name here ("trixie/sid"), which is no release.
  if (path.endsWith('debian_version')) {
    return /^\d/.test(line) ? { ID: 'debian', VERSION_ID: line } : line === '' ? {} : { ID: 'debian' };
  }
  return parseOsRelease(text);
}

function parseOsRelease(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
    if (match === null) continue;
    fields[match[1] ?? ''] = cleanText(unquote((match[2] ?? '').trim()));
  }
  return fields;
}

/** Values are quoted as in a shell; escapes stand only for the characters themselves. */
function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value);
  const inner = quoted === null ? value : (quoted[2] ?? '');
  return inner.replace(/\\(["'$`\\])/g, '$1');
}
