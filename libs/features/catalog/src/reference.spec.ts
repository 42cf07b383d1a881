import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CatalogError } from './errors.ts';
import { parseLocalReference } from './reference.ts';

const HOSTS = ['127.0.0.1:8080', 'sluice.example.com'];
const DIGEST = `sha256:${'a'.repeat(64)}`;

function codeOf(text: string): string {
  try {
    parseLocalReference(text, HOSTS);
  } catch (error) {
    if (error instanceof CatalogError) return error.code;
    throw error;
  }
  return 'parsed';
}

describe('a reference to an artifact of this registry', () => {
  it.each([
    ['team/app', 'team/app', { tag: 'latest' }],
    ['team/app:1.0', 'team/app', { tag: '1.0' }],
    [`team/app@${DIGEST}`, 'team/app', { digest: DIGEST }],
    [`team/app:1.0@${DIGEST}`, 'team/app', { digest: DIGEST }],
    ['127.0.0.1:8080/team/app:1.0', 'team/app', { tag: '1.0' }],
    ['Sluice.Example.com/team/app:1.0', 'team/app', { tag: '1.0' }],
    ['my.group/app:1.0', 'my.group/app', { tag: '1.0' }],
    ['app', 'app', { tag: 'latest' }],
  ])('parses %s', (text, repository, named) => {
    expect(parseLocalReference(text, HOSTS)).toEqual({ repository, named });
  });

  it('refuses the host of another registry instead of answering about an image of ours', () => {
    expect(codeOf('127.0.0.1:9090/team/app:1.0')).toBe('other-registry');
    expect(codeOf('localhost/team/app:1.0')).toBe('other-registry');
    expect(parseLocalReference('docker.io/team/app', HOSTS).repository).toBe('docker.io/team/app');
  });

  it.each(['', ':', 'team/app:', 'team/App', '/team/app', 'team/app:1:2', `team/app@${DIGEST}@${DIGEST}`])(
    'refuses "%s"',
    (text) => {
      expect(codeOf(text)).toBe('reference-invalid');
    },
  );

  it('throws nothing but its own error for any text (fuzz)', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', 'B', '1', '/', ':', '@', '.', '-', '_', ' ', '\u0000', 'é'),
          maxLength: 40,
        }),
        (text) => {
          expect(['parsed', 'reference-invalid', 'other-registry']).toContain(codeOf(text));
        },
      ),
      { seed: 20_261_121, numRuns: 1000 },
    );
  });
});
