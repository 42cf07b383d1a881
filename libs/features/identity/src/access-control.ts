import type { NodeStore, NodeTarget, PrincipalRecord, PrincipalStore } from '@sluice/database';
import {
  type AccessDecision,
  AccessError,
  type Action,
  type Caller,
  decide,
  type NodeContext,
  nodeAction,
  type RepositoryAction,
  type Subject,
} from '@sluice/domain/access';

/** A decision with the node that it was taken on; `node` is null when the target does not exist. */
export interface AccessAnswer {
  readonly decision: AccessDecision;
  readonly node: NodeContext | null;
}

/** What a caller may do with one repository. */
export interface RepositoryRights {
  readonly actions: readonly RepositoryAction[];
  /** Whether one of them is allowed by nothing but the visibility of the project. */
  readonly byVisibility: boolean;
  /** When the first of these rights ends; null when none does. */
  readonly until: Date | null;
}

/** Collects what a decision needs from the stores and asks the one function that decides. */
export class AccessControl {
  readonly #nodes: NodeStore;
  readonly #principals: PrincipalStore;
  readonly #now: () => Date;

  constructor(nodes: NodeStore, principals: PrincipalStore, now: () => Date = () => new Date()) {
    this.#nodes = nodes;
    this.#principals = principals;
    this.#now = now;
  }

  /**
   * Decides for an authenticated caller. One query.
   *
   * @param target null for actions on the installation
   * @param repository the repository concerned, null when the action is about the node itself
   */
  async decide(
    caller: Caller,
    action: Action,
    target: NodeTarget | null,
    repository: string | null = null,
  ): Promise<AccessAnswer> {
    const subject = subjectOf(caller);
    const id = subject.kind === 'anonymous' ? null : subject.id;
    const context = target === null ? null : await this.#nodes.context(target, id);
    const decision = decide(
      {
        subject,
        action,
        node: context?.node ?? null,
        repository,
        grants: caller.grants ?? context?.grants ?? [],
        scopes: caller.scopes ?? null,
      },
      this.#now(),
    );
    return { decision, node: context?.node ?? null };
  }

  /**
   * Which of the asked actions the caller has on a repository: never more than asked, never an error for less.
   * A repository that no project owns gives nothing. One query.
   */
  async repositoryRights(
    caller: Caller,
    repository: string,
    asked: readonly RepositoryAction[],
  ): Promise<RepositoryRights> {
    const subject = subjectOf(caller);
    const id = subject.kind === 'anonymous' ? null : subject.id;
    const context = await this.#nodes.context({ repository }, id);
    if (context === null) return { actions: [], byVisibility: false, until: null };
    const now = this.#now();
    const actions: RepositoryAction[] = [];
    let byVisibility = false;
    let until: Date | null = null;
    for (const action of asked) {
      const decision = decide(
        {
          subject,
          action: nodeAction(action),
          node: context.node,
          repository,
          grants: caller.grants ?? context.grants,
          scopes: caller.scopes ?? null,
        },
        now,
      );
      if (!decision.allowed) continue;
      actions.push(action);
      byVisibility ||= decision.byVisibility;
      if (decision.until !== null && (until === null || decision.until < until)) until = decision.until;
    }
    return { actions, byVisibility, until };
  }

  /**
   * Explains what any principal may do, from the stored grants. Workloads have none of their own: what a CI job may
   * do depends on its token.
   *
   * @param principalName a name, or `anonymous`
   * @throws AccessError principal-unknown
   */
  async explain(
    principalName: string,
    action: Action,
    target: NodeTarget | null,
    repository: string | null = null,
  ): Promise<AccessAnswer> {
    const record = principalName === 'anonymous' ? null : await this.#principals.byName(principalName);
    if (record === null && principalName !== 'anonymous') {
      throw new AccessError(
        'principal-unknown',
        `there is no principal named ${principalName.slice(0, 160)}`,
      );
    }
    const context = target === null ? null : await this.#nodes.context(target, record?.id ?? null);
    const subject: Subject = record === null ? { kind: 'anonymous' } : subjectOfRecord(record);
    const node = context?.node ?? null;
    const grants = context?.grants ?? [];
    const decision = decide({ subject, action, node, repository, grants, scopes: null }, this.#now());
    if (subject.kind !== 'workload' || decision.allowed) return { decision, node };
    const hint =
      'a CI job has what the bindings of its GitLab project give while the claims of its id_token meet them';
    return { decision: { ...decision, reasons: [...decision.reasons, hint] }, node };
  }
}

/** Authentication has just found the principal enabled and unexpired; only its rights are open. */
function subjectOf(caller: Caller): Subject {
  const { principal } = caller;
  if (principal.kind === 'anonymous') return { kind: 'anonymous' };
  return {
    kind: principal.kind,
    id: principal.id,
    name: principal.name,
    isAdmin: principal.kind === 'user' && principal.isAdmin,
    disabledAt: null,
    expiresAt: caller.endsAt ?? null,
  };
}

function subjectOfRecord(record: PrincipalRecord): Subject {
  const { kind, id, name, isAdmin, disabledAt, expiresAt } = record;
  return { kind, id, name, isAdmin, disabledAt, expiresAt };
}
