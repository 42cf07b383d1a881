import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegistryClientError } from './errors.ts';
import { isLoopback, parseReference } from './reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
  it.each([
    ['registry.example/app', 'registry.example', 'app', 'latest', null],
    ['registry.example/team/app:1.0', 'registry.example', 'team/app', '1.0', null],
    ['localhost/app:v1', 'localhost', 'app', 'v1', null],
    ['127.0.0.1:8080/team/app', '127.0.0.1:8080', 'team/app', 'latest', null],
    ['[::1]:8080/app:x', '[::1]:8080', 'app', 'x', null],
    [`host:5000/a/b@${DIGEST}`, 'host:5000', 'a/b', null, DIGEST],
    [`host:5000/a/b:tag@${DIGEST}`, 'host:5000', 'a/b', 'tag', DIGEST],
  ])('reads %s', (text, registry, repository, tag, digest) => {
    expect(parseReference(text)).toEqual({ registry, repository, tag, digest });
  });

  it.each([
    '',
    'app',
    'team/app',
    'team/app:1.0',
    '/app',
    'host.example/',
    'host.example/App',
    'host.example/app:',
    'host.example/app:-x',
    'host.example/app@sha256:00',
    `host.example/app@${DIGEST}@${DIGEST}`,
    'user:password@host.example/app',
    'https://host.example/app',
    'host.example/../app',
    'host.example:123456/app',
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(RegistryClientError);
  });

  it('refuses by its own error and by no other (fuzz)', () => {
    const piece = fc.constantFrom('host.example', ':', '@', '/', 'app', DIGEST, '..', '%2f', '[', 'é', ' ');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            const { registry, repository } = parseReference(text);
            expect(text.startsWith(`${registry}/${repository}`)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(RegistryClientError);
          }
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('isLoopback', () => {
  it.each([
    ['localhost', true],
    ['localhost:8080', true],
    ['127.0.0.1:1', true],
    ['127.9.9.9', true],
    ['[::1]:8080', true],
    ['127.0.0.1.example:80', false],
    ['localhost.example', false],
    ['10.0.0.1', false],
  ])('of %s is %s', (registry, expected) => {
    expect(isLoopback(registry)).toBe(expected);
  });
});
