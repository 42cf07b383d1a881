import type { NodeTarget } from '@sluice/database';
import {
  type AccessDecision,
  AccessError,
  type Action,
  type Caller,
  type NodeContext,
} from '@sluice/domain/access';
import type { AccessControl } from '@sluice/identity';
import { decodeId } from '../http/ids.ts';
import { ApiError } from '../http/problem.ts';

export interface Authorized {
  readonly decision: AccessDecision;
  /** Null for actions on the installation. */
  readonly node: NodeContext | null;
}

/**
 * Asks for a decision and answers a refusal as HTTP does: 401 to whoever is not signed in, 404 to whoever may not
 * even read the node (so that nobody learns what exists), 403 with the reason to everybody else.
 */
export class Authorizer {
  readonly #access: AccessControl;

  constructor(access: AccessControl) {
    this.#access = access;
  }

  /**
   * @param target null for the installation
   * @param what names the resource in the 404, e.g. `project`
   * @throws ApiError unauthenticated, not-found; AccessError denied
   */
  async require(
    caller: Caller,
    action: Action,
    target: NodeTarget | null,
    repository: string | null = null,
    what = 'group or project',
  ): Promise<Authorized> {
    const { decision, node } = await this.#access.decide(caller, action, target, repository);
    const exists = target === null || node !== null;
    if (decision.allowed && exists) return { decision, node };
    if (caller.principal.kind === 'anonymous') throw unauthenticated();
    if (node !== null || target === null) {
      const readable =
        target === null || (await this.#access.decide(caller, 'project.read', target)).decision.allowed;
      if (readable) throw new AccessError('denied', decision.reasons.join('; '));
    }
    throw new ApiError('not-found', `there is no such ${what}`);
  }

  /** True when the action is allowed; never throws for a refusal. */
  async allows(caller: Caller, action: Action, target: NodeTarget | null, repository: string | null = null) {
    const { decision, node } = await this.#access.decide(caller, action, target, repository);
    return decision.allowed && (target === null || node !== null);
  }
}

export function unauthenticated(): ApiError {
  return new ApiError(
    'unauthenticated',
    'sign in: Basic with a user and password or token, or a Bearer token',
  );
}

/** What a client means by a group or project: an id (`prj_…`, `grp_…`) or a path. */
export function nodeTarget(text: string): NodeTarget {
  const id = decodeId('project', text) ?? decodeId('group', text);
  return id === null ? { path: text } : { id };
}
