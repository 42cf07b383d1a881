import { describe, expect, it } from 'vitest';
import { buildInventory } from './build-inventory.ts';
import { CATALOGER_VERSION, emptyLayerRecord, type LayerFile, type LayerRecord } from './layer-record.ts';
import { PathSetBuilder } from './path-set.ts';

let count = 0;

interface LayerSpec {
  readonly files?: readonly LayerFile[];
  /** Other entries that are no directories. */
  readonly entries?: readonly string[];
  readonly directories?: readonly string[];
  readonly links?: Readonly<Record<string, string>>;
  readonly whiteouts?: readonly string[];
  readonly opaque?: readonly string[];
}

function layer(spec: LayerSpec): LayerRecord {
  count += 1;
  const links = Object.entries(spec.links ?? {}).map(([path, target]) => ({ path, target }));
  const files = spec.files ?? [];
  return {
    diffId: `layer-${count}`,
    catalogerVersion: CATALOGER_VERSION,
    state: 'complete',
    reasons: [],
    files,
    links,
    whiteouts: spec.whiteouts ?? [],
    opaque: spec.opaque ?? [],
    paths: setOf([...files, ...links].map(({ path }) => path).concat(spec.entries ?? [])),
    directories: setOf(spec.directories ?? []),
    entries: 0,
    sizeBytes: 0,
  };
}

function setOf(paths: readonly string[]): string {
  const builder = new PathSetBuilder();
  for (const path of paths) builder.add(path);
  return builder.build();
}

function npm(path: string, version = '1.0.0', ownedBy: string | null = null): LayerFile {
  const name = path.split('/').at(-2) ?? '';
  return {
    kind: 'packages',
    path,
    format: 'npm',
    packages: [{ name, version, architecture: null, source: null, license: null }],
    ownedBy,
    problem: null,
  };
}

function dpkg(names: Readonly<Record<string, string>>, path = 'var/lib/dpkg/status'): LayerFile {
  const packages = Object.entries(names).map(([name, version]) => ({
    name,
    version,
    architecture: 'amd64',
    source: null,
    license: null,
  }));
  return { kind: 'packages', path, format: 'dpkg', packages, ownedBy: null, problem: null };
}

const DEBIAN: LayerFile = {
  kind: 'distribution',
  path: 'usr/lib/os-release',
  fields: { ID: 'debian', VERSION_ID: '12', PRETTY_NAME: 'Debian GNU/Linux 12 (bookworm)' },
};

const A = 'app/node_modules/a/package.json';
const B = 'app/node_modules/b/package.json';

function packagesOf(...layers: LayerRecord[]): string[] {
  return buildInventory(layers).packages.map(({ path, version }) => `${path}@${version}`);
}

describe('image-spec, "Applying Changesets"', () => {
  const base = layer({ files: [npm(A), npm(B)] });

  it('an upper file replaces the lower one of its name', () => {
    expect(packagesOf(base, layer({ files: [npm(A, '2.0.0')] }))).toEqual([`${A}@2.0.0`, `${B}@1.0.0`]);
  });

  it('a whiteout removes a file, or a directory with all below it', () => {
    expect(packagesOf(base, layer({ whiteouts: [A] }))).toEqual([`${B}@1.0.0`]);
    expect(packagesOf(base, layer({ whiteouts: ['app/node_modules'] }))).toEqual([]);
    expect(packagesOf(base, layer({ whiteouts: ['app/node_mod'] }))).toHaveLength(2);
  });

  it('an opaque directory hides what is below it in lower layers, not what its own layer brings', () => {
    const upper = layer({ opaque: ['app/node_modules'], files: [npm(B, '2.0.0')] });
    expect(packagesOf(base, upper)).toEqual([`${B}@2.0.0`]);
    expect(packagesOf(base, layer({ opaque: [''] }))).toEqual([]);
  });

  it('a whiteout acts on lower layers only, not on its own', () => {
    expect(packagesOf(layer({ files: [npm(A)], whiteouts: [A] }))).toEqual([`${A}@1.0.0`]);
  });

  it('what is deleted and added again is there', () => {
    expect(packagesOf(base, layer({ whiteouts: [A] }), layer({ files: [npm(A, '3.0.0')] }))).toContain(
      `${A}@3.0.0`,
    );
  });

  it('any other entry of the same name replaces a package file', () => {
    expect(packagesOf(base, layer({ entries: [A] }))).toEqual([`${B}@1.0.0`]);
    expect(packagesOf(base, layer({ directories: [A] }))).toEqual([`${B}@1.0.0`]);
  });

  it('a file or link in the place of a directory replaces all that was below it; a directory merges', () => {
    expect(packagesOf(base, layer({ entries: ['app/node_modules'] }))).toEqual([]);
    expect(packagesOf(base, layer({ links: { app: 'srv' } }))).toEqual([]);
    expect(packagesOf(base, layer({ directories: ['app', 'app/node_modules'] }))).toHaveLength(2);
  });

  it('a lower link redirects what an upper layer writes or removes through it', () => {
    const usrMerged = layer({
      links: { lib: 'usr/lib' },
      files: [npm('usr/lib/node_modules/a/package.json')],
    });
    const upper = layer({ files: [npm('lib/node_modules/a/package.json', '2.0.0')] });
    expect(packagesOf(usrMerged, upper)).toEqual(['usr/lib/node_modules/a/package.json@2.0.0']);
    expect(packagesOf(usrMerged, layer({ whiteouts: ['lib/node_modules'] }))).toEqual([]);
    expect(packagesOf(usrMerged, layer({ opaque: ['lib'] }))).toEqual([]);
  });

  it('a directory in the place of a lower link ends the redirection', () => {
    const linked = layer({ links: { lib: 'usr/lib' }, files: [npm('usr/lib/node_modules/a/package.json')] });
    const upper = layer({ directories: ['lib'], files: [npm('lib/node_modules/a/package.json', '2.0.0')] });
    expect(packagesOf(linked, upper)).toHaveLength(2);
  });
});

describe('where a package comes from', () => {
  it('is the first layer whose database names this version of it', () => {
    const layers = [
      layer({ files: [DEBIAN, dpkg({ libc6: '2.36', openssl: '3.0.9' })] }),
      layer({ files: [dpkg({ libc6: '2.36', openssl: '3.0.11', curl: '7.88' })] }),
      layer({ files: [dpkg({ libc6: '2.36', openssl: '3.0.11', curl: '7.88' })] }),
    ];
    const origins = buildInventory(layers).packages.map(({ name, layer: diffId }) => [name, diffId]);
    expect(Object.fromEntries(origins)).toEqual({
      libc6: layers[0]?.diffId,
      openssl: layers[1]?.diffId,
      curl: layers[1]?.diffId,
    });
  });

  it('a database is replaced as a whole: what the newer one lacks is gone', () => {
    const layers = [
      layer({ files: [DEBIAN, dpkg({ a: '1', b: '1' })] }),
      layer({ files: [dpkg({ a: '1' })] }),
    ];
    expect(buildInventory(layers).packages.map(({ name }) => name)).toEqual(['a']);
  });
});

describe('the inventory of an image', () => {
  it('names ecosystem, source and package URL by the distribution', () => {
    const { distribution, packages, gaps } = buildInventory([
      layer({ files: [DEBIAN, dpkg({ curl: '1:7.88+b1' })] }),
    ]);
    expect(distribution).toMatchObject({ id: 'debian', version: '12', ecosystem: 'Debian:12' });
    expect(packages).toMatchObject([
      { ecosystem: 'Debian:12', purl: 'pkg:deb/debian/curl@1:7.88%2Bb1?arch=amd64&distro=debian-12' },
    ]);
    expect(gaps).toEqual([]);
  });

  it('finds databases and os-release behind links, also when a later layer brings the link', () => {
    const layers = [
      layer({
        files: [DEBIAN, dpkg({ a: '1' }, 'usr/lib/dpkg/status')],
        links: { 'etc/os-release': '../usr/lib/os-release' },
      }),
      layer({ links: { 'var/lib/dpkg': '/usr/lib/dpkg' } }),
    ];
    expect(buildInventory(layers)).toMatchObject({ packages: [{ name: 'a' }], gaps: [] });
  });

  it.each<[string, LayerRecord[], RegExp]>([
    [
      'a database behind a link that was not read',
      [layer({ files: [DEBIAN], entries: ['opt/status'], links: { 'var/lib/dpkg/status': '/opt/status' } })],
      /link to opt\/status, which was not read/,
    ],
    [
      'a distribution without its database',
      [layer({ files: [DEBIAN, npm(A)] })],
      /package database is missing/,
    ],
    ['an empty database', [layer({ files: [DEBIAN, dpkg({})] })], /lists no package/],
    [
      'a database without a distribution',
      [layer({ files: [dpkg({ a: '1' })] })],
      /nothing names the distribution/,
    ],
    [
      'a distribution that no source speaks of',
      [layer({ files: [{ ...DEBIAN, fields: { ID: 'kali', VERSION_ID: '1' } }, dpkg({ a: '1' })] })],
      /no advisory source is known/,
    ],
    [
      'Debian without a release',
      [layer({ files: [{ ...DEBIAN, fields: { ID: 'debian' } }, dpkg({ a: '1' })] })],
      /no advisory source is known/,
    ],
    [
      'a format that is not read',
      [layer({ files: [{ kind: 'unread', path: 'app.jar', format: 'Java archive', ownedBy: null }] })],
      /Java archive: not read.*app\.jar/,
    ],
    [
      'a problem of a file',
      [layer({ files: [{ ...npm(A), problem: 'package.json cannot be read' } as LayerFile] })],
      /a\/package\.json: package\.json cannot be read/,
    ],
    ['files of no known kind', [layer({ entries: ['init'] })], /nothing that can be inventoried: 1 files/],
    [
      'a layer of which something was left out',
      [emptyLayerRecord('layer-x', 'partial', 'too large')],
      /layer layer-x: too large/,
    ],
  ])('%s is a gap and never nothing', (_title, layers, reason) => {
    const { gaps } = buildInventory(layers);
    expect(gaps).toEqual([{ kind: 'unread', reason: expect.stringMatching(reason) }]);
  });

  it('a corrupt layer is a gap of its own kind', () => {
    expect(buildInventory([emptyLayerRecord('x', 'corrupt', 'broken')]).gaps).toEqual([
      { kind: 'corrupt', reason: 'layer x: broken' },
    ]);
  });

  it('an image without files has nothing and lacks nothing', () => {
    expect(buildInventory([])).toMatchObject({ packages: [], gaps: [] });
    expect(buildInventory([layer({ directories: ['tmp'] })])).toMatchObject({ packages: [], gaps: [] });
  });

  it('an unread format that a package of the distribution installed, or that is deleted again, is no gap', () => {
    const jar: LayerFile = {
      kind: 'unread',
      path: 'usr/share/java/a.jar',
      format: 'Java archive',
      ownedBy: 'liba-java',
    };
    expect(buildInventory([layer({ files: [DEBIAN, dpkg({ 'liba-java': '1' }), jar] })]).gaps).toEqual([]);
    const own = layer({ files: [npm(A), { ...jar, ownedBy: null }] });
    expect(buildInventory([own]).gaps).toHaveLength(1);
    expect(buildInventory([own, layer({ whiteouts: [jar.path] })]).gaps).toEqual([]);
  });
});
