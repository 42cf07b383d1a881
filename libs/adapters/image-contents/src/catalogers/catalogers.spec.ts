import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apkOwnedFiles, APK_CATALOGER, catalogApk } from './apk.ts';
import { catalogDistribution } from './distribution.ts';
import { catalogDpkg, DPKG_CATALOGER, vendorPackages } from './dpkg.ts';
import { catalogPackageJson, NPM_CATALOGER } from './npm.ts';
import { catalogPythonMetadata, PYTHON_CATALOGER } from './python.ts';
import { unreadFormatOf } from './unread.ts';

const text = (...lines: string[]): Buffer => Buffer.from(`${lines.join('\n')}\n`);

describe('dpkg', () => {
  const libc = [
    'Package: libc6',
    'Status: install ok installed',
    'Architecture: amd64',
    'Source: glibc',
    'Version: 2.36-9',
  ];

  it('source name and version come from the Source field, else they are the package’s own', () => {
    const rebuilt = [
      'Package: libtirpc3',
      'Status: install ok installed',
      'Source: libtirpc (1.3.3+ds-1)',
      'Version: 1.3.3+ds-1+b1',
    ];
    const own = ['Package: bash', 'Version: 5.2'];
    expect(catalogDpkg(text(...libc, '', ...rebuilt, '', ...own)).packages).toMatchObject([
      {
        name: 'libc6',
        version: '2.36-9',
        architecture: 'amd64',
        source: { name: 'glibc', version: '2.36-9' },
      },
      { name: 'libtirpc3', version: '1.3.3+ds-1+b1', source: { name: 'libtirpc', version: '1.3.3+ds-1' } },
      { name: 'bash', version: '5.2', architecture: null, source: null },
    ]);
  });

  it.each([
    ['install ok installed', 1],
    ['hold ok installed', 1],
    ['install ok half-configured', 1],
    ['install ok unpacked', 1],
    ['deinstall ok config-files', 0],
    ['purge ok not-installed', 0],
  ])('dpkg(1) "Package states": "%s" means %i packages', (status, count) => {
    const { packages } = catalogDpkg(text('Package: a', `Status: ${status}`, 'Version: 1', '', ...libc));
    expect(packages).toHaveLength(count + 1);
  });

  it('continuation lines and conffiles are no fields', () => {
    const catalog = catalogDpkg(
      text(...libc, 'Conffiles:', ' /etc/x 0123', 'Description: x', ' Version: 9', ' .', '\tmore'),
    );
    expect(catalog).toMatchObject({ packages: [{ version: '2.36-9' }], problem: null });
  });

  it.each<[string, Buffer, RegExp]>([
    [
      'a stanza without a version',
      text('Package: a', 'Status: install ok installed', '', ...libc),
      /1 entries .* cannot be read/,
    ],
    ['lines of another form', text(...libc, 'garbage', '\u0000\u0001'), /2 entries/],
    [
      'bytes that are no text',
      Buffer.from(Array.from({ length: 400 }, (_, index) => (index * 37) % 256)),
      /cannot be read|names no/,
    ],
    ['a database of another kind', text('P:musl', 'V:1.2'), /names no installed package|cannot be read/],
  ])('%s is a problem, and what can be read is read', (_title, content, problem) => {
    expect(catalogDpkg(content).problem).toMatch(problem);
  });

  it('stanzas of images without package manager are read, their checksums are not', () => {
    expect(DPKG_CATALOGER.matches('var/lib/dpkg/status')).toBe(true);
    expect(DPKG_CATALOGER.matches('var/lib/dpkg/status.d/base')).toBe(true);
    expect(DPKG_CATALOGER.matches('var/lib/dpkg/status.d/base.md5sums')).toBe(false);
    expect(DPKG_CATALOGER.matches('srv/chroot/var/lib/dpkg/status')).toBe(false);
  });

  it('only packages with an address of the distribution are the vendor’s', () => {
    const of = (maintainer: string) =>
      vendorPackages(text('Package: a', `Maintainer: ${maintainer}`, 'Version: 1')).has('a');
    expect(of('GNU Libc Maintainers <debian-glibc@lists.debian.org>')).toBe(true);
    expect(of('Debian Python Team <team+python@tracker.debian.org>')).toBe(true);
    expect(of('Docker <support@docker.com>')).toBe(false);
    expect(of('debian.org <x@evil.example>')).toBe(false);
    expect(of('x <x@notdebian.org>')).toBe(false);
  });
});

describe('apk', () => {
  const musl = [
    'C:Q1abc=',
    'P:musl-utils',
    'V:1.2.5-r0',
    'A:x86_64',
    'L:MIT',
    'o:musl',
    'F:lib',
    'R:ld.so',
    'a:0:0:755',
    'F:',
    'R:top',
  ];

  it('reads name, version, architecture, licence, and the origin as the source', () => {
    expect(catalogApk(text(...musl, '', 'P:a', 'V:1', '')).packages).toEqual([
      {
        name: 'musl-utils',
        version: '1.2.5-r0',
        architecture: 'x86_64',
        license: 'MIT',
        source: { name: 'musl', version: '1.2.5-r0' },
      },
      { name: 'a', version: '1', architecture: null, license: null, source: null },
    ]);
  });

  it('knows which files a package installed', () => {
    expect([...apkOwnedFiles(text(...musl))]).toEqual([
      { path: 'lib/ld.so', owner: 'musl-utils' },
      { path: 'top', owner: 'musl-utils' },
    ]);
  });

  it.each<[Buffer, RegExp]>([
    [text('P:a', '', ...musl), /1 entries/],
    [text('P:a', 'garbage', 'V:1', '', ...musl), /1 entries/],
    [Buffer.from('\n\n\n'), /names no package/],
  ])('what is malformed is a problem', (content, problem) => {
    expect(catalogApk(content).problem).toMatch(problem);
  });

  it('knows both places of the database', () => {
    expect(APK_CATALOGER.matches('lib/apk/db/installed')).toBe(true);
    expect(APK_CATALOGER.matches('usr/lib/apk/db/installed')).toBe(true);
    expect(APK_CATALOGER.matches('x/lib/apk/db/installed')).toBe(false);
  });
});

describe('npm', () => {
  const path = 'app/node_modules/@scope/name/package.json';

  it('needs name and version both', () => {
    expect(
      catalogPackageJson(Buffer.from('\ufeff{"name":"@scope/name","version":"1.2.3","license":"MIT"}'), path),
    ).toEqual({
      packages: [{ name: '@scope/name', version: '1.2.3', architecture: null, source: null, license: 'MIT' }],
      problem: null,
    });
    expect(catalogPackageJson(Buffer.from('{"type":"module"}'), path)).toBeNull();
    expect(catalogPackageJson(Buffer.from('{"name":"x","version":1}'), path)).toBeNull();
  });

  it('a broken manifest is a problem where npm installs, and test data elsewhere', () => {
    expect(catalogPackageJson(Buffer.from('{'), path)?.problem).toMatch(/cannot be read/);
    expect(catalogPackageJson(Buffer.from('[]'), path)?.problem).toMatch(/cannot be read/);
    expect(catalogPackageJson(Buffer.from('{'), 'node_modules/resolve/test/broken/package.json')).toBeNull();
  });

  it.each([
    ['node_modules/a/package.json', true],
    ['usr/lib/node_modules/npm/node_modules/b/package.json', true],
    ['app/package.json', false],
    ['app/my_node_modules/a/package.json', false],
    ['node_modules/a/package.json.bak', false],
  ])('%s: %s', (candidate, expected) => {
    expect(NPM_CATALOGER.matches(candidate)).toBe(expected);
  });
});

describe('Python', () => {
  it('reads the headers up to the first blank line and normalises the name (PEP 503)', () => {
    const metadata = text(
      'Metadata-Version: 2.1',
      'Name: Flask_SQLAlchemy',
      'Version: 3.0',
      'License-Expression: MIT',
      '',
      'Name: no',
    );
    expect(catalogPythonMetadata(metadata)).toEqual({
      packages: [
        { name: 'flask-sqlalchemy', version: '3.0', architecture: null, source: null, license: 'MIT' },
      ],
      problem: null,
    });
  });

  it('metadata without name or version are a problem', () => {
    expect(catalogPythonMetadata(text('Name: x')).problem).toMatch(/no version/);
    expect(catalogPythonMetadata(Buffer.alloc(100)).problem).not.toBeNull();
  });

  it.each([
    ['usr/lib/python3/dist-packages/x-1.dist-info/METADATA', true],
    ['x.egg-info/PKG-INFO', true],
    ['x-1-py3.11.egg-info', true],
    ['x.egg/EGG-INFO/PKG-INFO', true],
    ['x.dist-info/RECORD', false],
    ['PKG-INFO', false],
  ])('%s: %s', (candidate, expected) => {
    expect(PYTHON_CATALOGER.matches(candidate)).toBe(expected);
  });
});

describe('the distribution', () => {
  it('os-release(5): quotes and escapes of the shell', () => {
    const content = text(
      '# c',
      'ID=debian',
      'VERSION_ID="12"',
      'PRETTY_NAME=\'Debian \\"12\\"\'',
      'bad line',
      'EMPTY=',
    );
    expect(catalogDistribution(content, 'etc/os-release')).toEqual({
      ID: 'debian',
      VERSION_ID: '12',
      PRETTY_NAME: 'Debian "12"',
      EMPTY: '',
    });
  });

  it('older files give the same fields; a name in place of a release gives none', () => {
    expect(catalogDistribution(text('3.18.2'), 'etc/alpine-release')).toEqual({
      ID: 'alpine',
      VERSION_ID: '3.18.2',
    });
    expect(catalogDistribution(text('11.9'), 'etc/debian_version')).toEqual({
      ID: 'debian',
      VERSION_ID: '11.9',
    });
    expect(catalogDistribution(text('trixie/sid'), 'etc/debian_version')).toEqual({ ID: 'debian' });
  });
});

describe('formats that are not read', () => {
  it.each([
    ['var/lib/rpm/rpmdb.sqlite', 'rpm database'],
    ['usr/lib/sysimage/rpm/Packages.db', 'rpm database'],
    ['opt/app/lib/x.jar', 'Java archive'],
    ['usr/lib/ruby/gems/3.1.0/specifications/default/json-2.gemspec', 'Ruby gem'],
    ['app/vendor/composer/installed.json', 'Composer packages (PHP)'],
    ['app/web.deps.json', '.NET dependencies'],
    ['opt/conda/conda-meta/x.json', 'Conda package'],
    ['var/lib/pacman/local/bash-5/desc', 'pacman database'],
    ['etc/passwd', null],
    ['home/var/lib/rpm/Packages', null],
  ])('%s is named as %s', (path, format) => {
    expect(unreadFormatOf(path)).toBe(format);
  });
});

describe('any bytes', () => {
  const parts = fc.constantFrom(
    'Package: a\n',
    'Version: 1\n',
    'Status: install ok installed\n',
    '\n',
    'P:a\n',
    'V:1\n',
    ' x\n',
    ':',
    '\0',
    '{"name":"',
    '\ud83d',
  );
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(parts, { maxLength: 30 }).map((all) => Buffer.from(all.join(''))),
  );

  it('no cataloger throws, and no package lacks a name or a storable text', () => {
    const catalogers = [
      catalogDpkg,
      catalogApk,
      catalogPythonMetadata,
      (bytes: Buffer) => catalogPackageJson(bytes, 'node_modules/x/package.json'),
    ];
    fc.assert(
      fc.property(content, fc.constantFrom(...catalogers), (bytes, catalog) => {
        for (const { name, version } of catalog(bytes)?.packages ?? []) {
          expect(name).not.toBe('');
          expect(version).not.toBe('');
          expect(Math.min(...Buffer.from(`${name}${version}`))).toBeGreaterThanOrEqual(0x20);
          expect(`${name}${version}`.isWellFormed()).toBe(true);
        }
      }),
      { seed: 5, numRuns: 5000 },
    );
  });
});
