import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../run.ts';

export interface PackageLine {
  readonly name: string;
  readonly version: string;
}

/** What Debian's own tool says is installed in a root directory. */
export async function dpkgQuery(root: string): Promise<PackageLine[]> {
  const { stdout } = await run('dpkg-query', [
    `--root=${root}`,
    '-W',
    '-f',
    '${db:Status-Abbrev}\t${Package}\t${Version}\n',
  ]);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('ii'))
    .map((line) => {
      const [, name = '', version = ''] = line.split('\t');
      return { name, version };
    });
}

/** The packages of `lib/apk/db/installed` in an image archive, by the plain reading of its P: and V: lines. */
export async function apkDatabase(archive: string, work: string): Promise<PackageLine[]> {
  const directory = join(work, 'apk', String(Date.now()));
  mkdirSync(directory, { recursive: true });
  await run('tar', ['-C', directory, '-xf', archive]);
  const layers = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /layer\.tar(\.gz)?$|\.tar\.gz$/.test(name),
  );
  for (const layer of layers) {
    const root = join(directory, 'root');
    mkdirSync(root, { recursive: true });
    await run('tar', ['-C', root, '-xf', join(directory, layer), 'lib/apk/db/installed']);
    return readFileSync(join(root, 'lib', 'apk', 'db', 'installed'), 'utf8')
      .split('\n\n')
      .filter((stanza) => stanza.trim() !== '')
      .map((stanza) => ({ name: field(stanza, 'P'), version: field(stanza, 'V') }));
  }
  throw new Error(`${archive} holds no layer`);
}

function field(stanza: string, letter: string): string {
  return (
    stanza
      .split('\n')
      .find((line) => line.startsWith(`${letter}:`))
      ?.slice(2) ?? ''
  );
}

/** The components of one package URL type in a CycloneDX document. */
export function componentsOf(document: unknown, type: string): PackageLine[] {
  const { components } = document as { components: { name: string; version: string; purl?: string }[] };
  return components
    .filter(({ purl }) => purl?.startsWith(`pkg:${type}/`))
    .map(({ name, version }) => ({ name, version }));
}
