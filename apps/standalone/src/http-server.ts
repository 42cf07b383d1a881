import { randomUUID } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type ApiDependencies, createApi } from '@sluice/api';
import {
  type Health,
  limitBodies,
  type Logger,
  type Metrics,
  observeRequests,
  registerOperations,
} from '@sluice/platform';
import {
  answerFrameworkError,
  type DataPlaneDependencies,
  registerDataPlane,
  registerTokenEndpoint,
} from '@sluice/registry';
import type { TokenEndpoint } from '@sluice/identity';
import { StartError } from '@sluice/runtime';
import { type FastifyInstance, fastify, LogController } from 'fastify';

export interface HttpParts {
  readonly api: ApiDependencies;
  readonly dataPlane: DataPlaneDependencies;
  readonly tokenEndpoint: TokenEndpoint;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly trustedProxies: readonly string[];
}

/** An id_token that names 200 groups, sent as Basic, is larger than the 16 KiB of Node. */
const HEADER_BYTES_MAX = 65_536;

/** One port for everything: data plane, token endpoint, API, health and metrics. */
export class HttpServer {
  readonly #app: NestFastifyApplication;

  private constructor(app: NestFastifyApplication) {
    this.#app = app;
  }

  /** Registers every route; nothing listens yet. */
  static async create(parts: HttpParts): Promise<HttpServer> {
    const server = fastify({
      loggerInstance: parts.logger,
      logController: new LogController({ disableRequestLogging: true }),
      trustProxy: parts.trustedProxies.length === 0 ? false : [...parts.trustedProxies],
      frameworkErrors: answerFrameworkError,
      http: { maxHeaderSize: HEADER_BYTES_MAX },
      genReqId: () => randomUUID(),
      // Uploads take as long as they take; the data plane watches their progress itself.
      requestTimeout: 0,
      keepAliveTimeout: 75_000,
      // API documents; the data plane reads its bodies itself.
      bodyLimit: 1_048_576,
      routerOptions: { maxParamLength: 300 },
    }) as unknown as FastifyInstance;
    observeRequests(server, parts.metrics);
    limitBodies(server);
    registerOperations(server, parts.health, parts.metrics);
    await registerDataPlane(server, parts.dataPlane);
    await registerTokenEndpoint(server, parts.tokenEndpoint);
    return new HttpServer(await createApi(parts.api, { server }));
  }

  /** @throws StartError when the address cannot be taken */
  async listen(port: number, host: string): Promise<number> {
    try {
      await this.#app.listen(port, host);
    } catch (cause) {
      throw new StartError(listenProblem(cause as NodeJS.ErrnoException, port, host), undefined, { cause });
    }
    const address = this.#app.getHttpServer().address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Accepts nothing new and resolves when the running requests have ended, or after the time given. */
  async drain(graceMs: number): Promise<void> {
    const closed = this.#app.close();
    const server = this.#app.getHttpServer() as { closeIdleConnections(): void; closeAllConnections(): void };
    // A connection whose last answer has gone out would else be kept for the client's next request.
    const idle = setInterval(() => server.closeIdleConnections(), 200);
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    try {
      await closed;
    } finally {
      clearInterval(idle);
      clearTimeout(timer);
    }
  }
}

function listenProblem(error: NodeJS.ErrnoException, port: number, host: string): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is taken by another program: stop it, or choose another port with SLUICE_PORT`;
    case 'EACCES':
      return `this user may not listen on port ${port}: choose one above 1023 with SLUICE_PORT`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `this machine has no address ${host}: set SLUICE_HOST to one that it has`;
    default:
      return `cannot listen on ${host}:${port}: ${error.message}`;
  }
}
