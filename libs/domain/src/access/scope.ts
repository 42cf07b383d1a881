import { AccessError } from './errors.ts';
import { type Action, isReadAction } from './action.ts';
import { isWithin } from './node.ts';
import type { RepositoryAction } from './principal.ts';

const ACTIONS: readonly RepositoryAction[] = ['pull', 'push', 'delete'];

/** Scopes that one token request may carry; more is no client's doing and would make tokens outgrow a header. */
export const TOKEN_SCOPES_MAX = 64;

/** One `scope` of a token request as the token specification writes it. */
export interface RequestedScope {
  readonly type: string;
  /** The class in `repository(plugin)`, null when none is given. Nothing depends on it. */
  readonly resourceClass: string | null;
  readonly name: string;
  /** In the order given, without repetition; `*` stands as it was asked. */
  readonly actions: readonly string[];
}

/**
 * Parses one scope, `type[(class)]:name:action[,action]`.
 *
 * The name may hold a colon of its own (`host:port/name`), so the type ends at the first and the actions begin after
 * the last (token specification, "Requesting a Token"). Returns null for what does not follow the grammar.
 */
export function parseRequestedScope(text: string): RequestedScope | null {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first <= 0 || last <= first + 1 || text.length > 1024) return null;
  const type = /^([a-z0-9]+)(?:\(([a-z0-9]+)\))?$/.exec(text.slice(0, first));
  const name = text.slice(first + 1, last);
  const actions = text.slice(last + 1).split(',');
  if (type?.[1] === undefined || /[\s"\\]/.test(name)) return null;
  if (actions.some((action) => !/^([a-z]+|\*)$/.test(action))) return null;
  return { type: type[1], resourceClass: type[2] ?? null, name, actions: [...new Set(actions)] };
}

/**
 * Parses the `scope` parameters of a token request: each may hold several scopes separated by spaces.
 * What is malformed asks for nothing and is left out; the order is kept and scopes of one resource are joined.
 *
 * @throws AccessError scope-invalid when there are more than {@link TOKEN_SCOPES_MAX}
 */
export function parseRequestedScopes(parameters: readonly string[]): RequestedScope[] {
  const texts = parameters.flatMap((parameter) => parameter.split(' ')).filter((text) => text !== '');
  if (texts.length > TOKEN_SCOPES_MAX) {
    throw new AccessError(
      'scope-invalid',
      `${texts.length} scopes asked: at most ${TOKEN_SCOPES_MAX} are allowed`,
    );
  }
  const byResource = new Map<string, RequestedScope>();
  for (const text of texts) {
    const scope = parseRequestedScope(text);
    if (scope === null) continue;
    const key = `${scope.type}:${scope.name}`;
    const known = byResource.get(key);
    const actions = [...new Set([...(known?.actions ?? []), ...scope.actions])];
    byResource.set(key, { ...(known ?? scope), actions });
  }
  return [...byResource.values()];
}

/** The repository actions that a scope asks for; `*` asks for all. Unknown actions ask for nothing. */
export function requestedActions(scope: RequestedScope): RepositoryAction[] {
  return scope.actions.includes('*')
    ? [...ACTIONS]
    : ACTIONS.filter((action) => scope.actions.includes(action));
}

/**
 * What a secret is limited to, whatever its principal may do:
 * `*` (no limit), `api:read` (every reading action), or `repository:<pattern>:<actions>`, where the pattern is `*`, an
 * exact repository name, or `<path>/*` for everything below a path.
 */
export type AccessScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'read' }
  | { readonly kind: 'repository'; readonly pattern: string; readonly actions: readonly RepositoryAction[] };

/** @throws AccessError scope-invalid */
export function parseAccessScope(text: string): AccessScope {
  if (text === '*') return { kind: 'all' };
  if (text === 'api:read') return { kind: 'read' };
  const scope = parseRequestedScope(text);
  if (scope?.type === 'repository' && scope.resourceClass === null && isPattern(scope.name)) {
    const actions = requestedActions(scope);
    const known = scope.actions.every((action) => action === '*' || ACTIONS.some((each) => each === action));
    if (known) return { kind: 'repository', pattern: scope.name, actions };
  }
  throw new AccessError(
    'scope-invalid',
    `invalid scope "${text.slice(0, 160)}": expected *, api:read or repository:<name, path/* or *>:<pull,push,delete or *>`,
  );
}

export function formatAccessScope(scope: AccessScope): string {
  switch (scope.kind) {
    case 'all':
      return '*';
    case 'read':
      return 'api:read';
    case 'repository':
      return `repository:${scope.pattern}:${scope.actions.join(',')}`;
  }
}

/** Where an action is asked: the node, and the repository when it concerns one. Null path: the installation. */
export interface ActionSite {
  readonly path: string | null;
  readonly repository: string | null;
}

/** True when one of the scopes covers the action there. No scope covers nothing. */
export function scopesCover(scopes: readonly AccessScope[], action: Action, site: ActionSite): boolean {
  return scopes.some((scope) => scopeCovers(scope, action, site));
}

function scopeCovers(scope: AccessScope, action: Action, site: ActionSite): boolean {
  switch (scope.kind) {
    case 'all':
      return true;
    case 'read':
      return isReadAction(action);
    case 'repository':
      return repositoryScopeCovers(scope.pattern, scope.actions, action, site);
  }
}

function repositoryScopeCovers(
  pattern: string,
  actions: readonly RepositoryAction[],
  action: Action,
  site: ActionSite,
): boolean {
  if (site.path === null) return false;
  switch (action) {
    case 'repository.pull':
    case 'repository.push':
    case 'repository.delete':
      return (
        site.repository !== null &&
        matches(pattern, site.repository) &&
        actions.some((each) => action === `repository.${each}`)
      );
    case 'repository.read':
      return actions.includes('pull') && matches(pattern, site.repository ?? `${site.path}/*`);
    case 'project.read':
      // Seeing the project that holds the repository is part of using the repository.
      return pattern === '*' || isWithin(base(pattern), site.path) || isWithin(site.path, base(pattern));
    default:
      return false;
  }
}

function matches(pattern: string, repository: string): boolean {
  if (pattern === '*' || pattern === repository) return true;
  return pattern.endsWith('/*') && repository.startsWith(pattern.slice(0, -1));
}

function base(pattern: string): string {
  return pattern.endsWith('/*') ? pattern.slice(0, -2) : pattern;
}

function isPattern(name: string): boolean {
  return /^(\*|[a-z0-9][a-z0-9._/-]*(\/\*)?)$/.test(name) && !name.includes('//');
}
