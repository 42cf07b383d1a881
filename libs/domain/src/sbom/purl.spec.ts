import { describe, expect, it } from 'vitest';
import { buildPurl, purlOf } from './purl.ts';

describe('package URLs', () => {
  // Cases of purl-spec (package-url/purl-spec, tests/types, MIT).
  it.each([
    [
      {
        type: 'deb',
        namespace: 'debian',
        name: 'attr',
        version: '1:2.4.47-2+b1',
        qualifiers: { arch: 'amd64' },
      },
      'pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64',
    ],
    [
      { type: 'apk', namespace: 'alpine', name: 'curl', version: '7.83.0-r0', qualifiers: { arch: 'x86' } },
      'pkg:apk/alpine/curl@7.83.0-r0?arch=x86',
    ],
    [
      { type: 'npm', namespace: '@angular', name: 'animation', version: '12.3.1' },
      'pkg:npm/%40angular/animation@12.3.1',
    ],
    [
      {
        type: 'npm',
        namespace: null,
        name: 'mypackage',
        version: '12.4.5',
        qualifiers: { vcs_url: 'git://host.com/path/to/repo.git@4345abcd34343' },
      },
      'pkg:npm/mypackage@12.4.5?vcs_url=git:%2F%2Fhost.com%2Fpath%2Fto%2Frepo.git%404345abcd34343',
    ],
    [
      { type: 'golang', namespace: 'github.com/gorilla', name: 'context', version: '234fd47e07d1004f0aed9c' },
      'pkg:golang/github.com/gorilla/context@234fd47e07d1004f0aed9c',
    ],
    [
      {
        type: 'pypi',
        namespace: null,
        name: 'django',
        version: null,
        qualifiers: { b: '2', a: '1', c: null },
      },
      'pkg:pypi/django?a=1&b=2',
    ],
  ])('%j', (parts, expected) => {
    expect(buildPurl(parts)).toBe(expected);
  });

  const of = (name: string, version: string) => ({
    name,
    version,
    architecture: null,
    source: null,
    license: null,
  });

  it('follow the rules of their type: lower case for Go, PEP 503 for Python, scope as namespace for npm', () => {
    expect(purlOf('go', of('github.com/BurntSushi/toml', 'v1.2.0'), null)).toBe(
      'pkg:golang/github.com/burntsushi/toml@v1.2.0',
    );
    expect(purlOf('go', of('stdlib', '1.22.8'), null)).toBe('pkg:golang/stdlib@1.22.8');
    expect(purlOf('python', of('Zope.Interface', '5'), null)).toBe('pkg:pypi/zope-interface@5');
    expect(purlOf('npm', of('@babel/core', '7.0.0'), null)).toBe('pkg:npm/%40babel/core@7.0.0');
    expect(purlOf('go', of('example.com/x', ''), null)).toBe('pkg:golang/example.com/x');
  });
});
