import { createHash } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { ApiError } from './problem.ts';

/** Gives every single resource an ETag of its representation, and answers `If-None-Match` with 304 (RFC 9110, 13). */
@Injectable()
export class EtagInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((body: unknown) => {
        if (!isResource(body) || reply.statusCode >= 300) return body;
        const etag = etagOf(body);
        void reply.header('etag', etag);
        if (request.method !== 'GET' || !matches(request.headers['if-none-match'], etag)) return body;
        void reply.code(304);
        return undefined;
      }),
    );
  }
}

/** The ETag of a resource as the API shows it. */
export function etagOf(representation: object): string {
  return `"${createHash('sha256').update(JSON.stringify(representation)).digest('base64url').slice(0, 27)}"`;
}

/**
 * Lets a change through only when the caller has seen the present state.
 *
 * @param current the resource as a GET would show it now
 * @throws ApiError precondition-required without If-Match, precondition-failed when it is of another state
 */
export function requireMatch(request: FastifyRequest, current: object): void {
  const given = request.headers['if-match'];
  if (given === undefined) {
    throw new ApiError('precondition-required', 'send If-Match with the ETag of the state you change, or *');
  }
  if (!matches(given, etagOf(current))) {
    throw new ApiError('precondition-failed', 'the resource has changed since: read it again');
  }
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}

/** A single resource has an id; pages and results of actions do not. */
function isResource(body: unknown): body is object {
  return typeof body === 'object' && body !== null && 'id' in body;
}
