import type { FastifyInstance } from 'fastify';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';

/** `/livez`, `/readyz` and `/metrics`, the same in every process. */
export function registerOperations(server: FastifyInstance, health: Health, metrics: Metrics): void {
  server.get('/livez', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const readiness = await health.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

/** Counts and times every request by its route pattern. Requests that hijack their reply are counted when they close. */
export function observeRequests(server: FastifyInstance, metrics: Metrics): void {
  server.addHook('onRequest', (request, reply, done) => {
    const startedAt = performance.now();
    metrics.inflight.inc();
    reply.raw.once('close', () => {
      const route = request.routeOptions.url ?? 'unknown';
      metrics.inflight.dec();
      metrics.requests.inc({ route, method: request.method, code: reply.raw.statusCode });
      const series = metrics.requestDuration.of({ route, method: request.method });
      series.observe((performance.now() - startedAt) / 1_000);
    });
    done();
  });
}
