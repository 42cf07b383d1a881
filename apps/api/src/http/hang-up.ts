import type { FastifyReply } from 'fastify';

/** Aborts when the client goes away before its answer was sent, so that a long poll does not wait for nobody. */
export function hangUpSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}
