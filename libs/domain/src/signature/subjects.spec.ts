import { describe, expect, it } from 'vitest';
import { subjectsToVerify } from './subjects.ts';

const own = `sha256:${'a'.repeat(64)}`;
const signed = `sha256:${'b'.repeat(64)}`;
const referred = `sha512:${'c'.repeat(128)}`;
const change = { digest: own, subjectDigest: null, tags: [] };

describe('subjectsToVerify', () => {
  it('names the digest in a .sig tag', () => {
    const tags = ['latest', `sha256-${'b'.repeat(64)}.sig`];
    expect(subjectsToVerify({ ...change, kind: 'signature', tags })).toEqual([signed]);
  });

  it('names the subject of a manifest that has one', () => {
    expect(subjectsToVerify({ ...change, kind: 'attestation', subjectDigest: referred })).toEqual([referred]);
  });

  it.each(['image', 'index', 'artifact'])(
    'names the %s itself: its signatures may be there already',
    (kind) => {
      expect(subjectsToVerify({ ...change, kind, tags: ['v1'] })).toEqual([own]);
    },
  );

  it('names everything that applies, each once', () => {
    const tags = [`sha256-${'b'.repeat(64)}.sig`, `sha256-${'b'.repeat(64)}.sig`];
    expect(subjectsToVerify({ ...change, kind: 'image', subjectDigest: own, tags })).toEqual([signed, own]);
  });

  it('names nothing for a signature without subject under an ordinary tag', () => {
    expect(subjectsToVerify({ ...change, kind: 'signature', tags: ['v1'] })).toEqual([]);
  });

  it('names the subject of a deleted manifest', () => {
    expect(subjectsToVerify({ digest: own, subjectDigest: signed })).toEqual([signed]);
    expect(subjectsToVerify({ digest: own, subjectDigest: null })).toEqual([]);
  });

  it('does not take text that is no digest for a subject', () => {
    expect(subjectsToVerify({ ...change, subjectDigest: 'md5:00' })).toEqual([]);
  });
});
