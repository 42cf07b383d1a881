import { type CanActivate, type ExecutionContext, Injectable, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import type { Caller } from '@sluice/domain/access';
import { Authentication } from '@sluice/identity';
import type { FastifyRequest } from 'fastify';
import { decodeId, notFound } from '../http/ids.ts';
import { ApiError } from '../http/problem.ts';
import { Authorizer, nodeTarget, unauthenticated } from './authorizer.ts';
import { Locators } from './locators.ts';
import { PERMISSION, type PermissionRule, type PermissionTarget } from './permission.ts';
import { setRequestAccess } from './request-context.ts';

type ApiRequest = FastifyRequest<{ Params: Record<string, string>; Querystring: Record<string, unknown> }>;

/** Authenticates every request and checks the permission that its route declares. A route without one stops the start. */
@Injectable()
export class AccessGuard implements CanActivate, OnModuleInit {
  readonly #modules: ModulesContainer;
  readonly #reflector: Reflector;
  readonly #authentication: Authentication;
  readonly #authorizer: Authorizer;
  readonly #locators: Locators;

  constructor(
    modules: ModulesContainer,
    reflector: Reflector,
    authentication: Authentication,
    authorizer: Authorizer,
    locators: Locators,
  ) {
    this.#modules = modules;
    this.#reflector = reflector;
    this.#authentication = authentication;
    this.#authorizer = authorizer;
    this.#locators = locators;
  }

  onModuleInit(): void {
    const scanner = new MetadataScanner();
    for (const { metatype } of [...this.#modules.values()].flatMap((each) => [
      ...each.controllers.values(),
    ])) {
      const prototype = metatype?.prototype as Record<string, object> | undefined;
      for (const name of scanner.getAllMethodNames(prototype ?? null)) {
        const handler = prototype?.[name] ?? {};
        const isRoute = Reflect.hasMetadata(METHOD_METADATA, handler);
        if (isRoute && !Reflect.hasMetadata(PERMISSION, handler)) {
          throw new Error(`${metatype?.name ?? ''}.${name} declares no @Permission`);
        }
      }
    }
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const rule = this.#reflector.get<PermissionRule | undefined>(PERMISSION, context.getHandler());
    if (rule === undefined) throw new Error(`${context.getHandler().name} declares no permission`);
    const caller = await this.#authentication.authenticateFresh(request.headers.authorization, request.ip);
    if (rule.kind === 'signed-in' && caller.principal.kind === 'anonymous') {
      throw unauthenticated();
    }
    const access = rule.kind === 'action' ? await this.#authorize(caller, rule, request) : null;
    setRequestAccess(request, { caller, node: access?.node ?? null, decision: access?.decision ?? null });
    // After the permission, so that a parameter's name tells nothing about what a caller may not see.
    refuseUnknownQuery(context, request);
    return true;
  }

  async #authorize(caller: Caller, rule: PermissionRule & { kind: 'action' }, request: ApiRequest) {
    const { target } = rule;
    if (target.in === 'installation') return this.#authorizer.require(caller, rule.action, null);
    if (target.in === 'query') {
      const value = queryText(request, target);
      const place = target.as === 'repository' ? { repository: value } : nodeTarget(value);
      const repository = target.as === 'repository' ? value : null;
      return this.#authorizer.require(caller, rule.action, place, repository, target.as);
    }
    const uuid = decodeId(target.kind, request.params[target.name] ?? '');
    const location = uuid === null ? null : await this.#locators.locate(target.kind, uuid);
    if (location === null) {
      throw caller.principal.kind === 'anonymous' ? unauthenticated() : notFound(target.kind);
    }
    return this.#authorizer.require(caller, rule.action, location.target, location.repository, target.kind);
  }
}

function queryText(request: ApiRequest, target: PermissionTarget & { in: 'query' }): string {
  const value = request.query[target.name];
  if (typeof value === 'string' && /^[^\p{Cc}]{1,255}$/u.test(value)) return value;
  const message = `expected the ${target.as === 'repository' ? 'name of a repository' : 'path or id of a group or project'}, once`;
  throw new ApiError('validation-failed', `${target.name}: ${message}`, [
    { pointer: `/${target.name}`, message },
  ]);
}

/** Routes with a query schema refuse unknown parameters by it; a route without one knows no parameter at all. */
function refuseUnknownQuery(context: ExecutionContext, request: ApiRequest): void {
  const names = Object.keys(request.query);
  if (names.length === 0) return;
  const metadata: Record<string, unknown> =
    (Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
      Record<string, unknown> | undefined) ?? {};
  if (Object.keys(metadata).some((key) => key.startsWith(`${RouteParamtypes.QUERY}:`))) return;
  const errors = names.map((name) => ({
    pointer: `/${name}`,
    message: 'unknown parameter: this route takes none',
  }));
  throw new ApiError(
    'validation-failed',
    errors.map((each) => `${each.pointer}: ${each.message}`).join('; '),
    errors,
  );
}
