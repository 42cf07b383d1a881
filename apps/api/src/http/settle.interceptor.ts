import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { ReadCoherence } from '@sluice/database';
import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Answers a change only when every replica of the registry goes by it: whoever was told that a policy was applied, a
 * grant removed or a robot disabled can rely on it from then on, wherever the next pull arrives.
 */
@Injectable()
export class SettleInterceptor implements NestInterceptor {
  readonly #coherence: ReadCoherence;

  constructor(coherence: ReadCoherence) {
    this.#coherence = coherence;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method } = context.switchToHttp().getRequest<FastifyRequest>();
    if (READING.has(method)) return next.handle();
    return next.handle().pipe(
      mergeMap(async (body: unknown) => {
        await this.#coherence.settle();
        return body;
      }),
    );
  }
}
