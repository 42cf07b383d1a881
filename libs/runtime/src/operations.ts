import { type Health, type Logger, type Metrics, registerOperations } from '@sluice/platform';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Endpoint } from './part.ts';

/** `/livez`, `/readyz` and `/metrics`: on every port, before everything else. */
export async function operationsEndpoint(
  health: Health,
  metrics: Metrics,
  logger: Logger,
): Promise<Endpoint> {
  const server = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
  }) as unknown as FastifyInstance;
  registerOperations(server, health, metrics);
  await server.ready();
  return {
    // Asked for every request: a comparison ends at the length, a set would take the hash of the whole path.
    owns: (path) => path === '/livez' || path === '/readyz' || path === '/metrics',
    handle: (request, response) => server.routing(request, response),
    close: () => server.close(),
  };
}
