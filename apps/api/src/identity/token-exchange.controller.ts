import {
  type ArgumentsHost,
  Body,
  Catch,
  Controller,
  type ExceptionFilter,
  HttpCode,
  HttpException,
  Post,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import { AccessError } from '@sluice/domain/access';
import { type ExchangeResponse, TokenExchange, TokenRequestError } from '@sluice/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { ApiError } from '../http/problem.ts';

/** RFC 6749, 3.2: parameters that are not known are ignored, repeated ones (lists here) refused. */
const exchangeBody = z.object({
  grant_type: z.string(),
  subject_token: z.string().min(1).max(32_768),
  subject_token_type: z.string(),
  scope: z.string().max(16_384),
  requested_token_type: z.string().optional(),
  audience: z.string().optional(),
});

/** Answers in OAuth's error form (RFC 8693, 2.2.2), which clients of this endpoint expect instead of a problem. */
@Catch()
class OAuthErrorFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { status, code, message } = toOAuth(error);
    if (status >= 500) request.log.error({ err: error }, 'Token exchange failed');
    if (error instanceof AccessError && error.retryAfterSeconds !== null) {
      void reply.header('retry-after', String(error.retryAfterSeconds));
    }
    void reply
      .code(status)
      .header('cache-control', 'no-store')
      .send({ error: code, error_description: message });
  }
}

function toOAuth(error: unknown): { status: number; code: string; message: string } {
  if (error instanceof TokenRequestError) return { status: 400, code: error.code, message: error.message };
  if (error instanceof ApiError) return { status: 400, code: 'invalid_request', message: error.message };
  if (error instanceof AccessError && error.code === 'credentials-unavailable') {
    return { status: 503, code: 'temporarily_unavailable', message: error.message };
  }
  // RFC 8693, 2.2.2: a subject token that is not acceptable is invalid_request.
  if (error instanceof AccessError) return { status: 400, code: 'invalid_request', message: error.message };
  const status = error instanceof HttpException ? error.getStatus() : 500;
  if (status < 500) return { status, code: 'invalid_request', message: (error as Error).message };
  return { status: 500, code: 'server_error', message: 'the exchange failed' };
}

@Controller('token')
export class TokenExchangeController {
  constructor(private readonly exchange: TokenExchange) {}

  /** Trades a GitLab job's `id_token` for a registry token (RFC 8693). */
  @Post()
  @HttpCode(200)
  @UseFilters(OAuthErrorFilter)
  @Permission('anyone')
  async create(
    @Body({ schema: exchangeBody }) body: z.output<typeof exchangeBody>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExchangeResponse> {
    void reply.header('cache-control', 'no-store').header('pragma', 'no-cache');
    return this.exchange.exchange(body, { address: request.ip, requestId: String(request.id) });
  }
}
