import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRepositoryName } from '../oci/names.ts';
import { isWithin, NODE_DEPTH_MAX, parseNodePath, pathLineage } from './node.ts';

describe('the path of a group or project', () => {
  it.each(['a', 'team/app', 'team-x/app.y/z_1', 'a/v2', 'a/admin', 'service'])('%s is valid', (text) => {
    expect(parseNodePath(text)).toBe(text);
  });

  it.each([
    ['', /components of lower-case/],
    ['/a', /components of lower-case/],
    ['a/', /components of lower-case/],
    ['a//b', /components of lower-case/],
    ['Team', /components of lower-case/],
    ['-a', /components of lower-case/],
    ['a.', /components of lower-case/],
    ['a..b', /components of lower-case/],
    ['a b', /components of lower-case/],
    ['a\u0000', /components of lower-case/],
    ['x'.repeat(256), /at most 255/],
    ['v2/app', /reserved word/],
    ['api', /reserved word/],
    ['team/app.git', /may not end in \.git/],
    ['team.atom/app', /may not end in \.git or \.atom/],
  ])('%j is refused', (text, message) => {
    expect(() => parseNodePath(text)).toThrow(message);
  });

  it(`is at most ${NODE_DEPTH_MAX} components deep`, () => {
    const deep = (depth: number) => Array.from({ length: depth }, () => 'a').join('/');
    expect(parseNodePath(deep(NODE_DEPTH_MAX))).toBeTruthy();
    expect(() => parseNodePath(deep(NODE_DEPTH_MAX + 1))).toThrow(/components deep/);
  });

  it('is always a valid beginning of a repository name (distribution-spec <name>)', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9._/-]{1,40}$/), (text) => {
        try {
          const path = parseNodePath(text);
          expect(isRepositoryName(path) && isRepositoryName(`${path}/web`)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'path-invalid' });
        }
      }),
    );
  });

  it('has a lineage from the root down', () => {
    expect(pathLineage('a/b/c')).toEqual(['a', 'a/b', 'a/b/c']);
  });

  it('contains itself and what is below, not what merely begins alike', () => {
    expect([isWithin('a/b', 'a'), isWithin('a', 'a'), isWithin('ab', 'a'), isWithin('a', 'a/b')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
