import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import proxyAddress from '@fastify/proxy-addr';
import type { TokenEndpoint } from '@sluice/identity';
import { limitBodies, type Logger, type Metrics, observeRequests } from '@sluice/platform';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import { answerFrameworkError, registerDataPlane } from './data-plane.ts';
import type { DataPlaneDependencies } from './dependencies.ts';
import { TOKEN_PATH } from './http/challenge.ts';
import { ManifestShortcut } from './manifest-shortcut.ts';
import { registerTokenEndpoint } from './token-endpoint.ts';

export interface RegistryHandlerParts {
  readonly dataPlane: DataPlaneDependencies;
  readonly tokenEndpoint: TokenEndpoint;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly trustedProxies: readonly string[];
}

/** Everything below `/v2` and the token endpoint, for a server of the process's own. */
export interface RegistryHandler {
  readonly handle: RequestListener;
  close(): Promise<void>;
}

/** Whether a path (without query) belongs to {@link RegistryHandler}. */
export function isRegistryPath(path: string): boolean {
  return path === '/v2' || path.startsWith('/v2/') || path === TOKEN_PATH;
}

/** The label of the data plane in the metrics, as its route pattern is. */
const ROUTE = '/v2/*';

/**
 * The data plane on an instance of the framework that nothing else shares, so that no hook but its own runs for a
 * pull.
 */
export async function createRegistryHandler(parts: RegistryHandlerParts): Promise<RegistryHandler> {
  let route: RequestListener = () => undefined;
  const server = fastify({
    // The framework brings its routes to a server that it does not listen with.
    serverFactory: (handler: RequestListener): Server => {
      route = handler;
      return createServer();
    },
    loggerInstance: parts.logger,
    // One logger for all requests: making one for each costs more than the rest of a small answer.
    childLoggerFactory: (logger) => logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: parts.trustedProxies.length === 0 ? false : [...parts.trustedProxies],
    frameworkErrors: answerFrameworkError,
    genReqId: () => randomUUID(),
  }) as unknown as FastifyInstance;
  observeRequests(server, parts.metrics);
  limitBodies(server);
  await registerDataPlane(server, parts.dataPlane);
  await registerTokenEndpoint(server, parts.tokenEndpoint);
  await server.ready();

  const shortcut = shortcutOf(parts);
  return {
    handle: (request, response) => {
      // A client that has reset its connection gets no answer, and its request counts for no address that is known.
      if (request.socket.remoteAddress === undefined) request.destroy();
      else if (!shortcut.answer(request, response)) route(request, response);
    },
    close: () => server.close(),
  };
}

function shortcutOf({ dataPlane, metrics, trustedProxies }: RegistryHandlerParts): ManifestShortcut {
  const tallies = {
    GET: metrics.tallyOf({ route: ROUTE, method: 'GET', code: 200 }),
    HEAD: metrics.tallyOf({ route: ROUTE, method: 'HEAD', code: 200 }),
  };
  const durations = {
    GET: metrics.requestDuration.of({ route: ROUTE, method: 'GET' }),
    HEAD: metrics.requestDuration.of({ route: ROUTE, method: 'HEAD' }),
  };
  const addressOf = addressReader(trustedProxies);
  return new ManifestShortcut({
    knownCaller: (authorization) => dataPlane.authentication.known(authorization),
    recallManifest: (repository, reference, caller) =>
      dataPlane.manifests.recall(repository, reference, caller),
    isWithinLimits: (caller, request) => dataPlane.authentication.isWithinLimits(caller, addressOf(request)),
    answered: (method, seconds) => {
      tallies[method].count += 1;
      durations[method].observe(seconds);
    },
  });
}

/** The address of the client as the framework finds it. */
function addressReader(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  if (trustedProxies.length === 0) return (request) => request.socket.remoteAddress ?? '';
  const isTrusted = proxyAddress.compile([...trustedProxies]);
  return (request) => proxyAddress(request, isTrusted);
}
