import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import type { AccessDecision, Caller, NodeContext, Role } from '@sluice/domain/access';
import type { FastifyRequest } from 'fastify';

/** What the guard found out about a request. */
export interface RequestAccess {
  readonly caller: Caller;
  /** Null where the route's permission names no node. */
  readonly node: NodeContext | null;
  readonly decision: AccessDecision | null;
}

const contexts = new WeakMap<FastifyRequest, RequestAccess>();

export function setRequestAccess(request: FastifyRequest, access: RequestAccess): void {
  contexts.set(request, access);
}

export function requestAccess(context: ExecutionContext): RequestAccess {
  const access = contexts.get(context.switchToHttp().getRequest<FastifyRequest>());
  if (access === undefined) throw new Error('the access guard has not run');
  return access;
}

/** `@CurrentCaller() caller: Caller` */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  return requestAccess(context).caller;
});

/** `@CurrentNode() node: NodeContext`: the node that the route's permission was decided on. */
export const CurrentNode = createParamDecorator((_: unknown, context: ExecutionContext): NodeContext => {
  const { node } = requestAccess(context);
  if (node === null) throw new Error('the permission of this route names no node');
  return node;
});

/** `@CurrentRole() role: Role`: the caller's role on the node; administrators act as owners. */
export const CurrentRole = createParamDecorator((_: unknown, context: ExecutionContext): Role => {
  const { caller, decision } = requestAccess(context);
  if (decision === null) throw new Error('the permission of this route names no node');
  return roleOf(caller, decision);
});

/** `@CurrentActor() actor: AuditActor`: the caller in the words of the audit log. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): AuditActor => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { caller } = requestAccess(context);
  return {
    actor: callerName(caller),
    tokenId: caller.tokenId,
    clientAddress: request.ip,
    requestId: String(request.id),
  };
});

export function callerName(caller: Caller): string {
  return caller.principal.kind === 'anonymous' ? 'anonymous' : caller.principal.name;
}

export function isAdministrator(caller: Caller): boolean {
  return caller.principal.kind === 'user' && caller.principal.isAdmin;
}

/** The role that a caller acts with on the node of a decision; administrators act as owners. */
export function roleOf(caller: Caller, decision: AccessDecision): Role {
  return isAdministrator(caller) ? 'owner' : (decision.role ?? 'guest');
}
