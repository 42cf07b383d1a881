import { type Health, type Logger, type Metrics, registerOperations } from '@sluice/platform';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { Endpoint } from './part.ts';

const PATHS = new Set(['/livez', '/readyz', '/metrics']);

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
    owns: (path) => PATHS.has(path),
    handle: (request, response) => server.routing(request, response),
    close: () => server.close(),
  };
}
