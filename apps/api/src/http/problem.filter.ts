import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { SluiceError } from '@sluice/domain/access';
import { AccessError } from '@sluice/domain/access';
import { PolicyError } from '@sluice/domain/policy';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError, type FieldError, kindOfCode, kindOfStatus, type Problem, problemType } from './problem.ts';

/** Turns everything that is thrown into one problem document, and logs once what is our fault. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = problemOf(error, request);
    if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, 'Request failed');
    if (reply.sent) return;
    if (problem.status === 401)
      void reply.header('www-authenticate', 'Basic realm="Sluice", Bearer realm="Sluice"');
    if (error instanceof AccessError && error.retryAfterSeconds !== null) {
      void reply.header('retry-after', String(error.retryAfterSeconds));
    }
    void reply.code(problem.status).type('application/problem+json; charset=utf-8').send(problem);
  }
}

function problemOf(error: unknown, request: FastifyRequest): Problem {
  const common = { instance: request.url.split('?', 1)[0] ?? '/', requestId: String(request.id) };
  const kind = error instanceof SluiceError ? kindOfCode(error.code) : null;
  if (error instanceof SluiceError && kind !== null) {
    return {
      type: problemType(error.code),
      title: kind.title,
      status: kind.status,
      detail: error.message,
      code: error.code,
      ...common,
      ...fieldErrorsOf(error),
    };
  }
  const status = statusOf(error);
  const { code, title } = kindOfStatus(status);
  return {
    type: problemType(code),
    title,
    status,
    detail:
      status < 500 && error instanceof Error ? error.message : 'The request failed. The log has the reason.',
    code,
    ...common,
  };
}

function fieldErrorsOf(error: SluiceError): { errors?: readonly FieldError[] } {
  if (error instanceof ApiError && error.errors.length > 0) return { errors: error.errors };
  if (!(error instanceof PolicyError) || error.problems.length === 0) return {};
  // The document is one text in the body, so the place inside it is part of the message.
  const errors = error.problems.map(({ path, message }) => ({
    pointer: '/document',
    message: path === '' ? message : `${path}: ${message}`,
  }));
  return { errors };
}

/** Nest's own exceptions and Fastify's errors carry a status; anything else is ours to answer for. */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}
