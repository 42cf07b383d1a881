import { type Action, isAdminAction, isVisibleAction, NODE_ACTIONS } from './action.ts';
import { describeSource, type Grant } from './grant.ts';
import { isVisibleTo, type NodeContext, type NodeRef } from './node.ts';
import { greatestRole, type Role, roleAtLeast } from './role.ts';
import { type AccessScope, formatAccessScope, scopesCover } from './scope.ts';

/** Who asks, as far as a decision depends on it. `anonymous` has no id. */
export type Subject =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'user' | 'robot' | 'workload';
      readonly id: string;
      readonly name: string;
      readonly isAdmin: boolean;
      readonly disabledAt: Date | null;
      readonly expiresAt: Date | null;
    };

export interface AccessQuestion {
  readonly subject: Subject;
  readonly action: Action;
  /** Null for actions on the installation. */
  readonly node: NodeContext | null;
  /** The repository that the action concerns, null when it concerns the node itself. */
  readonly repository: string | null;
  /** Grants in any order; those of other principals or on other nodes count for nothing. */
  readonly grants: readonly Grant[];
  /** What the credential is limited to; null when it carries all of the principal's rights. */
  readonly scopes: readonly AccessScope[] | null;
}

export interface AccessDecision {
  readonly allowed: boolean;
  /** Sentences for a person: what allows it, or everything that was looked at and why it does not. Never empty. */
  readonly reasons: readonly string[];
  /** The greatest role held on the node, null when none. */
  readonly role: Role | null;
  /** When `allowed` ends unless something changes; null when it does not. */
  readonly until: Date | null;
  /** Whether nothing that lasts allows it but the visibility of the node. */
  readonly byVisibility: boolean;
}

/**
 * Decides whether a principal may do something on a node, and says why. Nothing else decides that.
 *
 * Closed by default: without a grant, a visibility or administration that allows it, the answer is no.
 */
export function decide(question: AccessQuestion, now: Date): AccessDecision {
  const { subject, action, node } = question;
  const name = subject.kind === 'anonymous' ? 'anonymous' : subject.name;
  const held = node === null ? [] : heldGrants(question, node);
  const live = held.filter(({ grant }) => isLive(grant.expiresAt, now));
  const role = greatestRole(live.map(({ grant }) => grant.role));
  const refuse = (...reasons: string[]): AccessDecision => ({
    allowed: false,
    reasons,
    role,
    until: null,
    byVisibility: false,
  });
  const allow = (until: Date | null, ...reasons: string[]): AccessDecision => ({
    allowed: true,
    reasons,
    role,
    until: subject.kind === 'anonymous' ? until : earlier(until, subject.expiresAt),
    byVisibility: false,
  });

  if (subject.kind !== 'anonymous') {
    if (subject.disabledAt !== null) return refuse(`${name} is disabled since ${day(subject.disabledAt)}`);
    if (!isLive(subject.expiresAt, now)) return refuse(`${name} expired on ${day(subject.expiresAt)}`);
  }
  const site = { path: node?.path ?? null, repository: question.repository };
  if (question.scopes !== null && !scopesCover(question.scopes, action, site)) {
    const scopes = question.scopes.map(formatAccessScope).join(' ') || 'nothing';
    return refuse(`the credential is limited to ${scopes}, which does not cover ${action}${at(question)}`);
  }
  if (subject.kind === 'user' && subject.isAdmin) return allow(null, `${name} is an administrator`);
  if (isAdminAction(action)) return refuse(`${action} needs an administrator; ${name} is none`);
  if (node === null) return refuse(`${action} needs a node, and none was found`);

  const byVisibility = visibilityReason(subject, action, node);
  const minimum = NODE_ACTIONS[action];
  const sufficient = live.filter(({ grant }) => roleAtLeast(grant.role, minimum));
  if (byVisibility !== null) {
    const lasts = sufficient.some(({ grant }) => grant.expiresAt === null);
    return { ...allow(null, byVisibility), byVisibility: !lasts };
  }
  if (sufficient.length > 0) {
    return allow(
      sufficient.reduce<Date | null>((latest, { grant }, index) => {
        if (index === 0) return grant.expiresAt;
        return latest === null || grant.expiresAt === null ? null : later(latest, grant.expiresAt);
      }, null),
      ...sufficient.map(({ grant, on }) => describeGrant(grant, on)),
    );
  }
  return refuse(
    `${action}${at(question)} needs ${minimum} on ${node.kind} ${node.path} or above; ${name} has ${role ?? 'no role'}`,
    ...held.map(({ grant, on }) =>
      describeGrant(grant, on, isLive(grant.expiresAt, now) ? '' : ' (expired)'),
    ),
  );
}

/** "developer on group acme by GitLab group 12, until 2027-01-01" */
function describeGrant(grant: Grant, on: NodeRef, note = ''): string {
  const until = grant.expiresAt === null ? '' : `, until ${day(grant.expiresAt)}`;
  return `${grant.role} on ${on.kind} ${on.path} ${describeSource(grant.source)}${until}${note}`;
}

/** The principal's grants on the node's lineage, in an order that does not depend on the order given. */
function heldGrants(question: AccessQuestion, node: NodeContext): { grant: Grant; on: NodeRef }[] {
  const { subject } = question;
  if (subject.kind === 'anonymous') return [];
  return node.lineage.flatMap((on) =>
    question.grants
      .filter((grant) => grant.principalId === subject.id && grant.nodeId === on.id)
      .toSorted((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0))
      .map((grant) => ({ grant, on })),
  );
}

function visibilityReason(subject: Subject, action: Action, node: NodeContext): string | null {
  if (!isVisibleAction(action) || !isVisibleTo(subject.kind, node.visibility)) return null;
  return node.visibility === 'public'
    ? `${node.kind} ${node.path} is public`
    : `${node.kind} ${node.path} is internal: every signed-in user and robot may read it`;
}

function at(question: AccessQuestion): string {
  return question.repository === null ? '' : ` of ${question.repository}`;
}

function isLive(expiresAt: Date | null, now: Date): boolean {
  return expiresAt === null || expiresAt.getTime() > now.getTime();
}

function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a.getTime() <= b.getTime() ? a : b;
}

function later(a: Date, b: Date): Date {
  return a.getTime() >= b.getTime() ? a : b;
}

function day(date: Date | null): string {
  return date === null ? 'never' : date.toISOString().slice(0, 10);
}
