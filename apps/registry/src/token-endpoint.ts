import { AccessError } from '@sluice/domain/access';
import {
  type TokenEndpoint,
  type TokenRequest,
  TokenRequestError,
  type TokenResponse,
} from '@sluice/identity';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TOKEN_PATH } from './http/challenge.ts';
import { errorBody, toWireError } from './http/error-table.ts';

/** The largest form that has a use: a password of 16 KiB (an id_token) and some scopes. */
const FORM_MAX = 64 * 1024;

/** Registers `/service/token` (distribution, token and OAuth 2 specifications) as one encapsulated plugin. */
export async function registerTokenEndpoint(server: FastifyInstance, endpoint: TokenEndpoint): Promise<void> {
  await server.register(async (plane) => {
    plane.removeAllContentTypeParsers();
    plane.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_MAX },
      (_request, body, done) => done(null, body),
    );
    plane.setErrorHandler((error, request, reply) => fail(request, reply, error));
    plane.get(TOKEN_PATH, { exposeHeadRoute: false }, async (request, reply) => {
      const query = (request.raw.url ?? '').split('?')[1] ?? '';
      return respond(reply, await endpoint.get(tokenRequest(request, query)));
    });
    plane.post(TOKEN_PATH, async (request, reply) =>
      respond(reply, await endpoint.post(tokenRequest(request, String(request.body ?? '')))),
    );
  });
}

function tokenRequest(request: FastifyRequest, text: string): TokenRequest {
  const parameters: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    if (Object.hasOwn(parameters, name)) parameters[name]?.push(value);
    else if (name !== '__proto__') parameters[name] = [value];
  }
  return {
    parameters,
    authorization: request.headers.authorization,
    clientAddress: request.ip,
    requestId: request.id,
  };
}

/** RFC 6749, 5.1: tokens must not be cached. */
function respond(reply: FastifyReply, response: TokenResponse): FastifyReply {
  return reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' }).send(response);
}

/**
 * GET answers in the form of the registry, POST in that of OAuth 2 (RFC 6749, 5.2). What a client cannot know in
 * advance to be wrong is never 400, on which BuildKit gives up instead of trying the other way.
 */
function fail(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  reply.header('cache-control', 'no-store');
  if (error instanceof TokenRequestError) {
    return reply
      .code(400)
      .send(
        request.method === 'POST'
          ? { error: error.code, error_description: error.message }
          : { errors: [{ code: 'UNSUPPORTED', message: error.message }] },
      );
  }
  const fastifyStatus = statusOf(error);
  if (fastifyStatus !== null) {
    const description = error instanceof Error ? error.message : 'malformed request';
    return reply.code(fastifyStatus).send({ error: 'invalid_request', error_description: description });
  }
  const wire = toWireError(error);
  if (wire.isFault) request.log.error({ event: 'token.fault', err: error }, 'A token request failed');
  reply.headers(wire.headers).code(wire.status);
  if (request.method === 'POST' && error instanceof AccessError) {
    return reply.send({ error: 'invalid_grant', error_description: wire.message });
  }
  return reply.header('content-type', 'application/json').send(errorBody(wire));
}

/** What Fastify itself refuses: a body that is no form, or too large. */
function statusOf(error: unknown): number | null {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
}
