/** The distribution that an image says it is. */
export interface Distribution {
  /** `ID` of os-release, e.g. `debian`. */
  readonly id: string;
  /** `VERSION_ID`, null where there is none (Debian testing, Wolfi). */
  readonly version: string | null;
  /** For people: `PRETTY_NAME`, or id and version. */
  readonly name: string;
  /** OSV ecosystem of its packages with the release; null when no advisory source that we know speaks of it. */
  readonly ecosystem: string | null;
}

/** Reads a distribution out of the fields of os-release(5). */
export function distributionOf(fields: Readonly<Record<string, string>>): Distribution | null {
  const id = (fields['ID'] ?? '').toLowerCase();
  if (id === '') return null;
  // Wolfi and Chainguard put the version of a package there, which names no release (their own scanner notes).
  const isRolling = id === 'wolfi' || id === 'chainguard';
  const version = isRolling ? null : (fields['VERSION_ID'] ?? null);
  const name = fields['PRETTY_NAME'] ?? (version === null ? id : `${id} ${version}`);
  return { id, version, name, ecosystem: ecosystemOf(id, version) };
}

function ecosystemOf(id: string, version: string | null): string | null {
  switch (id) {
    case 'wolfi':
      return 'Wolfi';
    case 'chainguard':
      return 'Chainguard';
    case 'alpine':
      return alpineEcosystem(version ?? '');
    case 'debian':
      return version === null || !/^\d+/.test(version) ? null : `Debian:${version.split('.', 1)[0] ?? ''}`;
    case 'ubuntu':
      return ubuntuEcosystem(version ?? '');
    default:
      return null;
  }
}

/** A development version such as 3.21_alpha20240923 or 3.21.0_alpha20240923 is the rolling branch "edge". */
function alpineEcosystem(version: string): string | null {
  if (version.includes('_alpha')) return 'Alpine:edge';
  const match = /^(\d+)\.(\d+)/.exec(version);
  return match === null ? null : `Alpine:v${match[1]}.${match[2]}`;
}

/** OSV marks long-term releases, which are those of April of even years. */
function ubuntuEcosystem(version: string): string | null {
  const match = /^(\d+)\.(\d+)/.exec(version);
  if (match === null) return null;
  const isLongTerm = Number(match[1]) % 2 === 0 && match[2] === '04';
  return `Ubuntu:${match[1]}.${match[2]}${isLongTerm ? ':LTS' : ''}`;
}
