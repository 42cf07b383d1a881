import type { OutgoingHttpHeaders } from 'node:http';
import { CredentialsRevoked } from '@sluice/distribution';
import { AccessError, type Caller, type RepositoryAction } from '@sluice/domain/access';
import {
  type DistributionPath,
  isRepositoryName,
  OciError,
  parseDistributionPath,
  type RepositoryName,
} from '@sluice/domain/oci';
import { readsItsBody } from '@sluice/platform';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DataPlaneDependencies } from './dependencies.ts';
import { Exchange, rightsOn } from './exchange.ts';
import { challenge, type ChallengeError, scopeFor } from './http/challenge.ts';
import { errorBody, toWireError } from './http/error-table.ts';
import { answerEarly, isBodyUnread } from './http/request-body.ts';
import { type Kind, METHODS, type Route, ROUTES } from './routes.ts';

/** The caller has a token, and it does not reach. */
class InsufficientScope extends OciError {
  constructor(message: string) {
    super('UNAUTHORIZED', message);
  }
}

/** What was found out about a request before it failed, for the challenge in the answer. */
interface Progress {
  path: DistributionPath | null;
  action: RepositoryAction | null;
}

/**
 * Registers everything below `/v2` as one encapsulated plugin: bodies are handed on as streams, and every answer,
 * errors included, is in the form of the distribution specification.
 */
export async function registerDataPlane(
  server: FastifyInstance,
  dependencies: DataPlaneDependencies,
): Promise<void> {
  await server.register(
    async (plane) => {
      plane.removeAllContentTypeParsers();
      // Clients send bodies under any type, and empty ones as JSON (crane).
      plane.addContentTypeParser('*', (_request, body, done) => done(null, body));
      plane.setErrorHandler((error, request, reply) => {
        // The framework refuses a Content-Type that is none before any parser; here only manifests have to have one.
        if (isCode(error, 'FST_ERR_CTP_INVALID_MEDIA_TYPE')) {
          readsItsBody(request);
          return answer(request, reply, dependencies);
        }
        return fail(request, reply, dependencies, error, null);
      });
      plane.setNotFoundHandler((request, reply) => answer(request, reply, dependencies));
      // Fastify's own parameters end at 100 characters and decode escapes; the path is parsed by domain/oci instead.
      for (const url of ['/', '/*']) {
        plane.route({
          method: [...METHODS],
          url,
          exposeHeadRoute: false,
          handler: (request, reply) => answer(request, reply, dependencies),
        });
      }
    },
    { prefix: '/v2' },
  );
}

/**
 * For `frameworkErrors` of the server: what the router refuses before any plugin sees it, such as `/v2/%ZZ`, is answered
 * in the form of the specification as well.
 */
export function answerFrameworkError(
  error: Error & { readonly statusCode?: number },
  request: { readonly raw: { readonly url?: string | undefined } },
  reply: FastifyReply,
): void {
  const status = error.statusCode ?? 400;
  reply.code(status).header('content-type', 'application/json');
  if (!/^\/v2(\/|$)/.test(request.raw.url ?? '')) {
    reply.send(Buffer.from(JSON.stringify({ statusCode: status, error: error.message })));
    return;
  }
  const wire = toWireError(new OciError('NAME_INVALID', 'the path holds an escape that is none'));
  reply.header('docker-distribution-api-version', 'registry/2.0').send(errorBody(wire));
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  dependencies: DataPlaneDependencies,
): Promise<FastifyReply> {
  const progress: Progress = { path: null, action: null };
  reply.header('docker-distribution-api-version', 'registry/2.0');
  try {
    await dispatch(request, reply, dependencies, progress);
  } catch (error) {
    fail(request, reply, dependencies, error, progress);
  }
  return reply;
}

async function dispatch(
  request: FastifyRequest,
  reply: FastifyReply,
  dependencies: DataPlaneDependencies,
  progress: Progress,
): Promise<void> {
  const url = request.raw.url ?? '';
  const queryAt = url.indexOf('?');
  const path = parseDistributionPath(queryAt < 0 ? url : url.slice(0, queryAt));
  if (path === null) throw new OciError('NAME_UNKNOWN', 'the registry has no such endpoint');
  const route = routeOf(path, request.method);
  progress.path = path;
  progress.action = route.action;

  const caller = await authenticate(request, dependencies, route);
  const actions =
    'repository' in path
      ? await rightsOn(dependencies, caller, path.repository, route.checksToken === true)
      : [];
  if (route.action !== null && !actions.includes(route.action) && 'repository' in path) {
    throw refusal(caller, path.repository, route.action, actions);
  }
  const query = queryAt < 0 ? '' : url.slice(queryAt + 1);
  await route.handle(new Exchange(request, reply, dependencies, caller, actions, query), path);
}

/** The handler of a route takes the paths of its kind; that the two belong together is known here alone. */
function routeOf(path: DistributionPath, method: string): Route<Kind> {
  const routes = ROUTES[path.kind] as Partial<Record<string, Route<Kind>>>;
  const route = Object.hasOwn(routes, method) ? routes[method] : undefined;
  if (route === undefined) {
    throw new OciError('UNSUPPORTED', `${method} is not supported here: ${Object.keys(routes).join(', ')}`);
  }
  return route;
}

async function authenticate(
  request: FastifyRequest,
  { authentication }: DataPlaneDependencies,
  route: Route<Kind>,
): Promise<Caller> {
  const { authorization } = request.headers;
  if (authorization === undefined) {
    await authentication.authenticate(undefined, request.ip);
    // Without a challenge clients take it that nobody needs to log in, and never do (docker, skopeo, crane).
    throw new OciError('UNAUTHORIZED', 'authentication required');
  }
  return route.checksToken === true
    ? authentication.authenticate(authorization, request.ip)
    : authentication.authenticateFresh(authorization, request.ip);
}

/**
 * A token may lack what its holder has, so the client is sent for another. Others are told that the repository is not
 * there unless they may see it: what one may not see must answer like what does not exist.
 */
function refusal(
  caller: Caller,
  repository: RepositoryName,
  action: RepositoryAction,
  actions: readonly RepositoryAction[],
): OciError {
  const limits = (caller.limits ?? []).map((limit) => `; ${limit}`).join('');
  if (caller.access !== null) {
    return new InsufficientScope(`the token does not allow ${action} on "${repository}"${limits}`);
  }
  if (!actions.includes('pull')) {
    return new OciError('NAME_UNKNOWN', `there is no repository "${repository}"${limits}`);
  }
  return new OciError('DENIED', `${action} on "${repository}" is not allowed${limits}`);
}

function fail(
  request: FastifyRequest,
  reply: FastifyReply,
  dependencies: DataPlaneDependencies,
  error: unknown,
  progress: Progress | null,
): void {
  const wire = toWireError(error);
  if (wire.isFault) request.log.error({ event: 'data-plane.fault', err: error }, 'A request failed');
  if (reply.sent || reply.raw.headersSent || reply.raw.destroyed) {
    reply.raw.destroy();
    return;
  }
  reply.headers({ ...wire.headers, 'content-type': 'application/json' });
  if (wire.status === 401) {
    const scope = progress?.path ? scopeFor(progress.path, progress.action, mountFrom(request)) : null;
    reply.header(
      'www-authenticate',
      challenge(request.raw, dependencies.challenge, scope, challengeError(error)),
    );
  }
  reply.code(wire.status);
  if (!isBodyUnread(request.raw)) {
    reply.send(errorBody(wire));
    return;
  }
  reply.hijack();
  answerEarly(
    request.raw,
    reply.raw,
    wire.status,
    reply.getHeaders() as OutgoingHttpHeaders,
    errorBody(wire),
  );
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function mountFrom(request: FastifyRequest): RepositoryName | null {
  if (request.method !== 'POST') return null;
  const from = new URLSearchParams(request.raw.url?.split('?')[1]).get('from') ?? '';
  return isRepositoryName(from) ? from : null;
}

function challengeError(error: unknown): ChallengeError | null {
  if (error instanceof InsufficientScope) return 'insufficient_scope';
  return error instanceof AccessError || error instanceof CredentialsRevoked ? 'invalid_token' : null;
}
