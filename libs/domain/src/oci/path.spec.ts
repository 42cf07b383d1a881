import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from './errors.ts';
import { isRepositoryName, parseRepositoryName } from './names.ts';
import { parseDistributionPath, parseReference } from './path.ts';

const SHA256 = `sha256:${'a'.repeat(64)}`;
const SHA512 = `sha512:${'b'.repeat(128)}`;

describe('the path of a data-plane request', () => {
  it.each([
    ['/v2', { kind: 'base' }],
    ['/v2/', { kind: 'base' }],
    ['/v2/_catalog', { kind: 'catalog' }],
    ['/v2/a/manifests/latest', { kind: 'manifest', repository: 'a', reference: 'latest' }],
    [`/v2/a/b/manifests/${SHA512}`, { kind: 'manifest', repository: 'a/b', reference: SHA512 }],
    [`/v2/a/blobs/${SHA256}`, { kind: 'blob', repository: 'a', digest: SHA256 }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', repository: 'a' }],
    ['/v2/a/blobs/uploads/0198-x', { kind: 'upload', repository: 'a', session: '0198-x' }],
    ['/v2/a/tags/list', { kind: 'tags', repository: 'a' }],
    [`/v2/a/referrers/${SHA256}`, { kind: 'referrers', repository: 'a', digest: SHA256 }],
  ])('reads %s', (path, parsed) => {
    expect(parseDistributionPath(path)).toEqual(parsed);
  });

  it.each([
    ['/v2/a/manifests/b/manifests/latest', 'a/manifests/b'],
    ['/v2/blobs/uploads/manifests/latest', 'blobs/uploads'],
    ['/v2/manifests/manifests/manifests', 'manifests'],
    ['/v2/a/blobs/uploads/blobs/uploads/', 'a/blobs/uploads'],
    ['/v2/a/tags/list/tags/list', 'a/tags/list'],
    ['/v2/uploads/blobs/uploads/id', 'uploads'],
  ])('takes the last marker of %s: names may contain the words of the protocol', (path, repository) => {
    expect(parseDistributionPath(path)).toMatchObject({ repository });
  });

  it('decodes %3A in a reference and nothing else', () => {
    expect(parseDistributionPath(`/v2/a/blobs/sha256%3A${'a'.repeat(64)}`)).toMatchObject({ digest: SHA256 });
    expect(parseDistributionPath(`/v2/a/blobs/sha256%3a${'a'.repeat(64)}`)).toMatchObject({ digest: SHA256 });
    expect(parseDistributionPath('/v2/a/manifests/x%2Fy')).toMatchObject({ reference: 'x%2Fy' });
  });

  it.each([
    '/v2/a%2Fb/manifests/x',
    '/v2/A/manifests/x',
    '/v2//manifests/x',
    '/v2/manifests/x',
    '/v2/a//b/manifests/x',
    '/v2/../etc/manifests/x',
    '/v2/a/./b/blobs/uploads/',
    '/v2/blobs/uploads/',
    `/v2/${'a'.repeat(256)}/tags/list`,
  ])('refuses %s with NAME_INVALID', (path) => {
    expect(() => parseDistributionPath(path)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
  });

  it.each([
    '/',
    '/v1/a/manifests/x',
    '/v2/a',
    '/v2/a/tags',
    '/v2/a/tags/all',
    '/v2/_catalog/x',
    '/v2a/_catalog',
  ])('knows no endpoint %s', (path) => {
    expect(parseDistributionPath(path)).toBeNull();
  });

  it('gives back any valid name, or refuses: it never reads another name into a path', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?$/);
    const word = fc.constantFrom('manifests', 'blobs', 'uploads', 'tags', 'list', 'referrers', 'v2');
    const name = fc
      .array(fc.oneof(component, word), { minLength: 1, maxLength: 6 })
      .map((components) => components.join('/'))
      .filter(isRepositoryName);
    fc.assert(
      fc.property(name, (repository) => {
        const parsed = parseRepositoryName(repository);
        expect(parseDistributionPath(`/v2/${repository}/manifests/latest`)).toMatchObject({
          repository: parsed,
        });
        expect(parseDistributionPath(`/v2/${repository}/blobs/${SHA256}`)).toMatchObject({
          repository: parsed,
        });
        expect(parseDistributionPath(`/v2/${repository}/blobs/uploads/`)).toMatchObject({
          repository: parsed,
        });
        expect(parseDistributionPath(`/v2/${repository}/tags/list`)).toMatchObject({ repository: parsed });
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('answers any text with a path, null or NAME_INVALID', () => {
    const piece = fc.oneof(
      fc.constantFrom('/v2/', '/', 'manifests', 'blobs', 'uploads', 'tags/list', '%3A', '%', '..', SHA256),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        try {
          parseDistributionPath(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
          expect((error as OciError).code).toBe('NAME_INVALID');
        }
      }),
      { seed: 2, numRuns: 1_000 },
    );
  });
});

describe('a reference', () => {
  it('is a digest when it holds a colon, else a tag', () => {
    expect(parseReference(SHA512)).toEqual({ kind: 'digest', digest: SHA512 });
    expect(parseReference('v1.0_x')).toEqual({ kind: 'tag', tag: 'v1.0_x' });
  });

  it.each([
    ['sha256:totallywrong', 'DIGEST_INVALID'],
    [`sha256:${'A'.repeat(64)}`, 'DIGEST_INVALID'],
    [`sha256:${'a'.repeat(65)}`, 'DIGEST_INVALID'],
    ['md5:d41d8cd98f00b204e9800998ecf8427e', 'DIGEST_INVALID'],
    ['.hidden', 'TAG_INVALID'],
    ['', 'TAG_INVALID'],
    ['a'.repeat(129), 'TAG_INVALID'],
    ['x%2Fy', 'TAG_INVALID'],
  ])('refuses %s with %s', (text, code) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code }));
  });
});
