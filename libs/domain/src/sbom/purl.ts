import { normalizePackageName } from '../vulnerability/ecosystem.ts';
import type { Distribution } from './distribution.ts';
import type { CatalogedPackage, PackageFormat } from './layer-record.ts';

/** The parts of a package URL (purl-spec, "Rules for each purl component"), not yet encoded. */
export interface PurlParts {
  readonly type: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly version: string | null;
  readonly qualifiers?: Readonly<Record<string, string | null>>;
}

/** Builds the canonical text of a package URL: qualifiers sorted, empty ones left out, each part percent-encoded. */
export function buildPurl(parts: PurlParts): string {
  const namespace = (parts.namespace ?? '')
    .split('/')
    .filter((part) => part !== '')
    .map(encode)
    .join('/');
  const version = parts.version === null || parts.version === '' ? '' : `@${encode(parts.version)}`;
  const qualifiers = Object.entries(parts.qualifiers ?? {})
    .flatMap(([key, value]) => (value === null || value === '' ? [] : [`${key}=${encode(value)}`]))
    .toSorted();
  const query = qualifiers.length === 0 ? '' : `?${qualifiers.join('&')}`;
  return `pkg:${parts.type}/${namespace === '' ? '' : `${namespace}/`}${encode(parts.name)}${version}${query}`;
}

/** The package URL of a cataloged package, by the rules of its type. */
export function purlOf(
  format: PackageFormat,
  package_: CatalogedPackage,
  distribution: Distribution | null,
): string {
  const { name, version } = package_;
  switch (format) {
    case 'dpkg':
    case 'apk':
      return systemPurl(format === 'dpkg' ? 'deb' : 'apk', package_, distribution);
    case 'npm': {
      const slash = name.lastIndexOf('/');
      const namespace = slash < 0 ? null : name.slice(0, slash);
      return buildPurl({ type: 'npm', namespace, name: name.slice(slash + 1), version });
    }
    case 'python':
      return buildPurl({ type: 'pypi', namespace: null, name: normalizePackageName('PyPI', name), version });
    case 'go': {
      // purl-spec, type golang: namespace and name are lower-cased.
      const path = name.toLowerCase();
      const slash = path.lastIndexOf('/');
      const namespace = slash < 0 ? null : path.slice(0, slash);
      return buildPurl({ type: 'golang', namespace, name: path.slice(slash + 1), version });
    }
  }
}

function systemPurl(type: string, package_: CatalogedPackage, distribution: Distribution | null): string {
  const distro =
    distribution === null
      ? null
      : [distribution.id, distribution.version].filter((part) => part !== null).join('-');
  return buildPurl({
    type,
    namespace: distribution?.id ?? (type === 'deb' ? 'debian' : 'alpine'),
    name: package_.name.toLowerCase(),
    version: package_.version,
    qualifiers: { arch: package_.architecture, distro },
  });
}

/** purl-spec, "Character encoding": letters, digits and . - _ ~ : stay, everything else is percent-encoded as UTF-8. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll('%3A', ':')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
