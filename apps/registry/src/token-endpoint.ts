import { AccessError } from '@sluice/domain/access';
import {
  type TokenEndpoint,
  type TokenRequest,
  TokenRequestError,
  type TokenResponse,
} from '@sluice/identity';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TOKEN_PATH } from './http/challenge.ts';

/** A form holds an id_token and a few scopes; an id_token may name 200 groups. */
const FORM_LIMIT_BYTES = 65_536;

/** Mounts `GET` and `POST /service/token` in a scope of its own: own body parser, own errors. */
export async function registerTokenEndpoint(server: FastifyInstance, endpoint: TokenEndpoint): Promise<void> {
  await server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_LIMIT_BYTES },
      (_request, body, done) => done(null, body),
    );
    scope.setErrorHandler((error, request, reply) => sendError(error, request, reply));
    scope.get(TOKEN_PATH, { exposeHeadRoute: false }, async (request, reply) =>
      sendToken(reply, await endpoint.get(toTokenRequest(request, request.url.split('?', 2)[1] ?? ''))),
    );
    scope.post(TOKEN_PATH, async (request, reply) =>
      sendToken(
        reply,
        await endpoint.post(toTokenRequest(request, typeof request.body === 'string' ? request.body : '')),
      ),
    );
  });
}

/** Query and form are both `application/x-www-form-urlencoded`; podman repeats `scope` in either. */
function toTokenRequest(request: FastifyRequest, encoded: string): TokenRequest {
  const parameters: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const [name, value] of new URLSearchParams(encoded)) (parameters[name] ??= []).push(value);
  return {
    parameters,
    authorization: request.headers.authorization,
    clientAddress: request.ip,
    requestId: String(request.id),
  };
}

function sendToken(reply: FastifyReply, response: TokenResponse): FastifyReply {
  return noStore(reply).code(200).send(response);
}

interface ErrorReply {
  readonly status: number;
  /** RFC 6749, 5.2 */
  readonly oauth: string;
  /** distribution-spec, "Error Codes" */
  readonly oci: string;
  readonly message: string;
  readonly retryAfterSeconds?: number | null;
}

/** Answers a GET with the registry's error form and a POST with OAuth's, because that is what clients print. */
function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, oauth, oci, message, retryAfterSeconds } = toErrorReply(error);
  if (status >= 500) request.log.error({ err: error }, 'Token request failed');
  noStore(reply).code(status);
  if (status === 401) void reply.header('www-authenticate', 'Basic realm="Sluice"');
  if (typeof retryAfterSeconds === 'number') void reply.header('retry-after', String(retryAfterSeconds));
  return reply.send(
    request.method === 'POST'
      ? { error: oauth, error_description: message }
      : { errors: [{ code: oci, message, detail: null }] },
  );
}

function toErrorReply(error: unknown): ErrorReply {
  if (error instanceof TokenRequestError) {
    return { status: 400, oauth: error.code, oci: 'UNSUPPORTED', message: error.message };
  }
  if (error instanceof AccessError) {
    const { message, retryAfterSeconds } = error;
    switch (error.code) {
      // 401 and not OAuth's 400: buildkit gives up on 400, and goes on to GET on 401.
      case 'credentials-invalid':
        return { status: 401, oauth: 'invalid_grant', oci: 'UNAUTHORIZED', message };
      case 'credentials-throttled':
      case 'rate-limited':
        return { status: 429, oauth: 'slow_down', oci: 'TOOMANYREQUESTS', message, retryAfterSeconds };
      case 'credentials-unavailable':
        return {
          status: 503,
          oauth: 'temporarily_unavailable',
          oci: 'UNAVAILABLE',
          message,
          retryAfterSeconds,
        };
      default:
        return { status: 400, oauth: 'invalid_request', oci: 'UNSUPPORTED', message };
    }
  }
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  // Fastify's own: a body that is too large, of another type, or cut short.
  if (typeof status === 'number' && status >= 400 && status < 500) {
    const message = error instanceof Error ? error.message : 'the request cannot be read';
    return { status, oauth: 'invalid_request', oci: 'UNSUPPORTED', message };
  }
  return { status: 500, oauth: 'server_error', oci: 'UNAVAILABLE', message: 'the token request failed' };
}

/** RFC 6749, 5.1: tokens are kept by no cache on the way. */
function noStore(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
}
