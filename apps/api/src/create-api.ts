import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { type LoggerService, RequestMethod } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, fastify } from 'fastify';
import { ApiModule } from './api.module.ts';
import type { ApiDependencies } from './api-dependencies.ts';

/** Bodies of the API are small documents; the largest are policies. */
const BODY_LIMIT_BYTES = 1_048_576;

export interface ApiOptions {
  /** The server to mount on; one is made when absent. Routes registered on it before stay as they are. */
  readonly server?: FastifyInstance;
  /** Where Nest logs; silent when absent. */
  readonly logger?: LoggerService;
}

/**
 * Builds the API below `/api/v1`, ready for requests but not yet listening.
 *
 * `app.getHttpAdapter().getInstance()` is the Fastify server: other plugins (the data plane) register on it before
 * `app.listen(…)`.
 */
export async function createApi(
  dependencies: ApiDependencies,
  options: ApiOptions = {},
): Promise<NestFastifyApplication> {
  const server =
    options.server ??
    fastify({ bodyLimit: BODY_LIMIT_BYTES, genReqId: () => randomUUID(), routerOptions: {} });
  passStreams(server);
  const app = await NestFactory.create<NestFastifyApplication>(
    ApiModule.register(dependencies),
    new FastifyAdapter(server),
    { logger: options.logger ?? false, abortOnError: false },
  );
  app.setGlobalPrefix('api/v1', { exclude: [{ path: 'readyz', method: RequestMethod.GET }] });
  await app.init();
  return app;
}

/** Files are handed on as they come in: they are larger than memory should be. Their routes read them, or refuse. */
function passStreams(server: FastifyInstance): void {
  server.addContentTypeParser(['application/zip', 'application/octet-stream'], (_request, payload, done) =>
    done(null, payload),
  );
}
