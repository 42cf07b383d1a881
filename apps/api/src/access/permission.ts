import { SetMetadata } from '@nestjs/common';
import type { Action } from '@sluice/domain/access';
import type { ResourceKind } from '../http/ids.ts';

/** Where the request says what the action is about. */
export type PermissionTarget =
  | { readonly in: 'param'; readonly name: string; readonly kind: ResourceKind }
  /** A repository name in the query. */
  | { readonly in: 'query'; readonly name: string; readonly as: 'repository' }
  /** Path or id of a group or project in the query. */
  | { readonly in: 'query'; readonly name: string; readonly as: 'node' }
  | { readonly in: 'installation' };

export type PermissionRule =
  /** Everybody; the handler shows only what the caller may see. */
  | { readonly kind: 'anyone' }
  /** Whoever is signed in; the handler decides further (own tokens, targets that stand in the body). */
  | { readonly kind: 'signed-in' }
  | { readonly kind: 'action'; readonly action: Action; readonly target: PermissionTarget };

export const PERMISSION = 'sluice:permission';

/**
 * Declares what a route needs. Every route has exactly one; one without is refused to everybody.
 *
 *     @Permission('project.read', param('projectId', 'project'))
 *     @Permission('admin.users')
 *     @Permission('signed-in')
 */
export function Permission(
  need: Action | 'anyone' | 'signed-in',
  target: PermissionTarget = { in: 'installation' },
): MethodDecorator {
  const rule: PermissionRule =
    need === 'anyone' || need === 'signed-in' ? { kind: need } : { kind: 'action', action: need, target };
  return SetMetadata(PERMISSION, rule);
}

/** The id of a resource in the path; the locator of its kind tells on which node it lies. */
export function param(name: string, kind: ResourceKind): PermissionTarget {
  return { in: 'param', name, kind };
}

export function repositoryQuery(name = 'repository'): PermissionTarget {
  return { in: 'query', name, as: 'repository' };
}

export function nodeQuery(name = 'node'): PermissionTarget {
  return { in: 'query', name, as: 'node' };
}
