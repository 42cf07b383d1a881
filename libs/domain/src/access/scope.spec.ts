import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessError } from './errors.ts';
import {
  formatAccessScope,
  parseAccessScope,
  parseRequestedScope,
  parseRequestedScopes,
  requestedActions,
  scopesCover,
  TOKEN_SCOPES_MAX,
} from './scope.ts';

describe('a scope of a token request: type[(class)]:name:action[,action]', () => {
  it.each([
    ['repository:team/app:pull,push', 'repository', null, 'team/app', ['pull', 'push']],
    ['repository:team/app:push,pull', 'repository', null, 'team/app', ['push', 'pull']],
    ['repository(plugin):team/app:pull', 'repository', 'plugin', 'team/app', ['pull']],
    ['registry:catalog:*', 'registry', null, 'catalog', ['*']],
    // The name may hold one colon of its own: split at the first and the last.
    [
      'repository:host.example:5000/team/app:pull',
      'repository',
      null,
      'host.example:5000/team/app',
      ['pull'],
    ],
    ['repository:team/app:pull,pull', 'repository', null, 'team/app', ['pull']],
  ])('%s', (text, type, resourceClass, name, actions) => {
    expect(parseRequestedScope(text)).toEqual({ type, resourceClass, name, actions });
  });

  it.each([
    '',
    'repository',
    'repository:x',
    ':x:pull',
    'repository::pull',
    'Repository:x:pull',
    'repository():x:pull',
    'repository:x:',
    'repository:x:pull,',
    'repository:x:PULL',
    'repository:x y:pull',
    'repository:x"y:pull',
    `repository:${'x'.repeat(1100)}:pull`,
  ])('refuses %j', (text) => {
    expect(parseRequestedScope(text)).toBeNull();
  });

  it('reads back what is written by the grammar', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9./_-]{0,40}$/);
    const action = fc.constantFrom('pull', 'push', 'delete', '*');
    fc.assert(
      fc.property(name, fc.uniqueArray(action, { minLength: 1 }), (repository, actions) => {
        expect(parseRequestedScope(`repository:${repository}:${actions.join(',')}`)).toEqual({
          type: 'repository',
          resourceClass: null,
          name: repository,
          actions,
        });
      }),
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 200 }),
        (text) => {
          const scope = parseRequestedScope(text);
          expect(scope === null || scope.name.length > 0).toBe(true);
        },
      ),
    );
  });
});

describe('several scopes', () => {
  it('come in one parameter with spaces, or in several parameters; malformed ones ask for nothing', () => {
    const scopes = parseRequestedScopes([
      'repository:a:pull repository:b:push',
      'nonsense',
      'repository:a:push',
    ]);
    expect(scopes.map(({ name, actions }) => [name, actions])).toEqual([
      ['a', ['pull', 'push']],
      ['b', ['push']],
    ]);
  });

  it(`are at most ${TOKEN_SCOPES_MAX}`, () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `repository:r${index}:pull`);
    expect(parseRequestedScopes(many(TOKEN_SCOPES_MAX))).toHaveLength(TOKEN_SCOPES_MAX);
    expect(() => parseRequestedScopes(many(TOKEN_SCOPES_MAX + 1))).toThrow(AccessError);
  });

  it('* asks for every action, unknown actions for none', () => {
    const asked = (text: string) =>
      requestedActions(parseRequestedScopes([text])[0] ?? expect.fail('no scope'));
    expect(asked('repository:a:*')).toEqual(['pull', 'push', 'delete']);
    expect(asked('repository:a:admin,delete')).toEqual(['delete']);
  });
});

describe('the scope of a secret', () => {
  it.each([
    '*',
    'api:read',
    'repository:team/app:pull',
    'repository:team/*:pull,push',
    'repository:*:pull,push,delete',
  ])('%s is read and written back', (text) => {
    expect(formatAccessScope(parseAccessScope(text))).toBe(text);
  });

  it('writes * as the actions it means', () => {
    expect(formatAccessScope(parseAccessScope('repository:team/app:*'))).toBe(
      'repository:team/app:pull,push,delete',
    );
  });

  it.each([
    '',
    '**',
    'api',
    'api:write',
    'repository:Team:pull',
    'repository:a//b:pull',
    'repository:a/**:pull',
    'repository:a*:pull',
    'repository:a:pull,fly',
    'repository(plugin):a:pull',
    'registry:catalog:*',
  ])('refuses %j and says what is allowed', (text) => {
    expect(() => parseAccessScope(text)).toThrow(/expected \*, api:read or repository:/);
  });

  const covers = (
    scope: string,
    action: Parameters<typeof scopesCover>[1],
    repository: string | null,
    path = 'team/app',
  ) => scopesCover([parseAccessScope(scope)], action, { path, repository });

  it('team/* covers what lies below team and not what is beside it', () => {
    expect(covers('repository:team/*:pull', 'repository.pull', 'team/app/web')).toBe(true);
    expect(covers('repository:team/*:pull', 'repository.pull', 'team2/app')).toBe(false);
    expect(covers('repository:team/*:pull', 'repository.pull', 'team')).toBe(false);
  });

  it('covers the actions it names and no management', () => {
    expect(covers('repository:*:pull', 'repository.push', 'team/app')).toBe(false);
    expect(covers('repository:*:pull,push,delete', 'member.manage', null)).toBe(false);
    expect(covers('repository:*:pull', 'repository.read', 'team/app')).toBe(true);
    expect(covers('repository:*:push', 'repository.read', 'team/app')).toBe(false);
  });

  it('lets the project be read that holds the repository, and no other', () => {
    expect(covers('repository:team/app/web:pull', 'project.read', null)).toBe(true);
    expect(covers('repository:team/app/web:pull', 'project.read', null, 'team/other')).toBe(false);
  });

  it('api:read covers every reading action and neither pull nor change', () => {
    expect(covers('api:read', 'policy.read', null)).toBe(true);
    expect(covers('api:read', 'repository.pull', 'team/app')).toBe(false);
    expect(covers('api:read', 'policy.write', null)).toBe(false);
  });
});
