import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathSet, PathSetBuilder } from './path-set.ts';
import { ancestorsOf, normalizePath, resolveParent, resolvePath } from './paths.ts';

describe('normalizePath', () => {
  it.each([
    ['./a//b/./c/', 'a/b/c', false],
    ['/etc/passwd', 'etc/passwd', false],
    ['a/../b', 'b', false],
    ['../../etc/passwd', 'etc/passwd', true],
    ['a/../../b', 'b', true],
    ['./', '', false],
  ])('%s is %s below the root of the image', (raw, path, escapes) => {
    expect(normalizePath(raw)).toEqual({ path, escapes });
  });
});

describe('resolvePath', () => {
  const links = new Map([
    ['lib', 'usr/lib'],
    ['etc/os-release', '../usr/lib/os-release'],
    ['a', 'b'],
    ['b', '/a'],
    ['up', '../../../../etc'],
    ['chain', 'lib/x'],
    ...Array.from({ length: 60 }, (_, index): [string, string] => [`l${index}`, `l${index + 1}`]),
  ]);

  it.each([
    ['lib/apk/db/installed', 'usr/lib/apk/db/installed'],
    ['etc/os-release', 'usr/lib/os-release'],
    ['up/passwd', 'etc/passwd'],
    ['chain/y', 'usr/lib/x/y'],
    ['plain/path', 'plain/path'],
    ['a/x', null],
    ['l0', null],
    ['l30', 'l60'],
    ['', ''],
  ])('%s leads to %s', (path, expected) => {
    expect(resolvePath(path, links)).toBe(expected);
  });

  it('the last component of an entry is not followed', () => {
    expect(resolveParent('lib/lib', links)).toBe('usr/lib/lib');
    expect(resolveParent('lib', links)).toBe('lib');
    expect(resolveParent('a/x', links)).toBeNull();
  });

  it('ends and stays inside of the image, whatever the links', () => {
    const part = fc.constantFrom('a', 'b', '..', '.', '');
    const path = fc.array(part, { maxLength: 5 }).map((parts) => parts.join('/'));
    const target = fc.tuple(fc.constantFrom('', '/'), path).map(([root, rest]) => `${root}${rest}`);
    fc.assert(
      fc.property(fc.array(fc.tuple(path, target)), path, (pairs, wanted) => {
        const resolved = resolvePath(wanted, new Map(pairs));
        expect(resolved?.split('/').includes('..') ?? false).toBe(false);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});

describe('PathSet', () => {
  it('has exactly what was added', () => {
    const builder = new PathSetBuilder();
    const paths = Array.from({ length: 3000 }, (_, index) => `dir/${index}/file`);
    for (const path of paths) builder.add(path);
    const set = new PathSet(builder.build());
    expect(set.size).toBe(3000);
    expect(paths.every((path) => set.has(path))).toBe(true);
    expect(paths.some((path) => set.has(`${path}x`))).toBe(false);
    expect(new PathSet('').has('x')).toBe(false);
  });

  it('ancestors are named nearest first, without the root', () => {
    expect(ancestorsOf('a/b/c')).toEqual(['a/b', 'a']);
    expect(ancestorsOf('a')).toEqual([]);
  });
});
