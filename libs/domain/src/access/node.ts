import { isRepositoryName, REPOSITORY_NAME_MAX } from '../oci/names.ts';
import { AccessError } from './errors.ts';
import type { Principal } from './principal.ts';

declare const pathBrand: unique symbol;

/** Path of a group or project such as `team/app`, already checked. Only {@link parseNodePath} makes one. */
export type NodePath = string & { readonly [pathBrand]: true };

export type NodeKind = 'group' | 'project';

/** Who may read without a grant: nobody, every signed-in user and robot, everybody. */
export const VISIBILITIES = ['private', 'internal', 'public'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

export interface NodeRef {
  readonly id: string;
  readonly kind: NodeKind;
  readonly path: string;
}

/** A node with everything above it, which is what a decision needs to know of the tree. */
export interface NodeContext extends NodeRef {
  readonly visibility: Visibility;
  /** From the root down to the node itself. */
  readonly lineage: readonly NodeRef[];
}

/** GitLab nests groups at most twenty deep; a project may hang below the last. */
export const NODE_DEPTH_MAX = 21;

/** First components that would hide a route of the console or the API. Each is reserved by GitLab too, so every GitLab path fits. */
const RESERVED_FIRST = new Set([
  'admin',
  'api',
  'assets',
  'dashboard',
  'explore',
  'groups',
  'help',
  'jwt',
  'login',
  'oauth',
  'projects',
  'public',
  'search',
  'users',
  'v2',
]);

/** Endings that GitLab refuses, because its own routes use them. */
const RESERVED_ENDING = /\.(git|atom)$/;

/**
 * Parses the path of a group or project: a valid prefix of a repository name (distribution-spec `<name>`) that
 * GitLab's path rules allow as well.
 *
 * @throws AccessError path-invalid
 */
export function parseNodePath(text: string): NodePath {
  const path: string = text;
  if (!isRepositoryName(text)) {
    throw invalid(
      text,
      `needs components of lower-case letters, digits and . _ __ - between them, joined by "/", ` +
        `at most ${REPOSITORY_NAME_MAX} characters`,
    );
  }
  const components = text.split('/');
  if (components.length > NODE_DEPTH_MAX)
    throw invalid(text, `may be at most ${NODE_DEPTH_MAX} components deep`);
  if (RESERVED_FIRST.has(components[0] ?? '')) {
    throw invalid(text, `may not begin with a reserved word (${[...RESERVED_FIRST].join(', ')})`);
  }
  const ending = components.find((component) => RESERVED_ENDING.test(component));
  if (ending !== undefined) throw invalid(text, `component "${ending}" may not end in .git or .atom`);
  return path as NodePath;
}

/** `a/b/c` gives `['a', 'a/b', 'a/b/c']`: every node that the path names, from the root down. */
export function pathLineage(path: string): string[] {
  const components = path.split('/');
  return components.map((_, index) => components.slice(0, index + 1).join('/'));
}

/** True when `path` is `ancestor` or lies below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}/`);
}

/**
 * Whether visibility alone lets somebody read. A CI job is let in by its binding only: it acts for a project, not for a
 * signed-in person.
 */
export function isVisibleTo(kind: Principal['kind'], visibility: Visibility): boolean {
  return visibility === 'public' || (visibility === 'internal' && (kind === 'user' || kind === 'robot'));
}

export function isVisibility(text: string): text is Visibility {
  return (VISIBILITIES as readonly string[]).includes(text);
}

function invalid(text: string, rule: string): AccessError {
  return new AccessError('path-invalid', `invalid path "${text.slice(0, 160)}": a path ${rule}`);
}
