import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestAlgorithm, digestHex, isDigest, parseDigest } from './digest.ts';
import { OciError } from './errors.ts';
import { isRepositoryName, isTag, parseRepositoryName, parseTag, REPOSITORY_NAME_MAX } from './names.ts';

describe('a repository name', () => {
  it.each(['a', 'a/b', 'a.b_c__d-e---f/9', 'blobs/uploads', 'a'.repeat(REPOSITORY_NAME_MAX)])(
    'may be %s',
    (name) => {
      expect(parseRepositoryName(name)).toBe(name);
    },
  );

  it.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a b',
    'a___b',
    'a..b',
    '-a',
    'a-',
    'a/_b',
    'ä',
    'a\n',
    'a'.repeat(256),
  ])('may not be %j', (name) => {
    expect(() => parseRepositoryName(name)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
    expect(isRepositoryName(name)).toBe(false);
  });
});

describe('a tag', () => {
  it.each(['latest', '_x', 'v1.2-rc_3', 'A'.repeat(128)])('may be %s', (tag) => {
    expect(parseTag(tag)).toBe(tag);
  });

  it.each(['', '.x', '-x', 'a b', 'a/b', 'a:b', 'a+b', 'x\n', 'A'.repeat(129)])('may not be %j', (tag) => {
    expect(() => parseTag(tag)).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }));
    expect(isTag(tag)).toBe(false);
  });
});

describe('parsers of names, tags and digests', () => {
  it('take exactly what their test says, and refuse the rest in their own words', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{62,66}$/);
    const text = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.string({ unit: fc.constantFrom('a', 'B', '1', '/', '.', '_', '-', ':', '\n'), maxLength: 12 }),
      hex.map((digits) => `sha256:${digits}`),
      fc.tuple(hex, hex).map((parts) => `sha512:${parts.join('')}`),
    );
    fc.assert(
      fc.property(text, (input) => {
        for (const [parse, is, code] of [
          [parseRepositoryName, isRepositoryName, 'NAME_INVALID'],
          [parseTag, isTag, 'TAG_INVALID'],
          [parseDigest, isDigest, 'DIGEST_INVALID'],
        ] as const) {
          try {
            expect(parse(input)).toBe(input);
            expect(is(input)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(OciError);
            expect((error as OciError).code).toBe(code);
            expect(is(input)).toBe(false);
          }
        }
      }),
      { seed: 6, numRuns: 2_000 },
    );
  });

  it('take a digest apart', () => {
    const digest = parseDigest(`sha512:${'0a'.repeat(64)}`);
    expect([digestAlgorithm(digest), digestHex(digest)]).toEqual(['sha512', '0a'.repeat(64)]);
  });
});
