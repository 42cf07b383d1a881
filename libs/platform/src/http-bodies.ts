import type { FastifyInstance, FastifyRequest } from 'fastify';

export interface BodyPatience {
  /** Within this time a body that is read whole must have come. */
  readonly arrivalMs: number;
  /** For this time the rest of a body is read after the answer, so that the client sees the answer. */
  readonly drainMs: number;
}

/** The timers of bodies that have not come yet. */
const arrivals = new WeakMap<FastifyRequest, NodeJS.Timeout>();

/** Bodies that are read whole are small documents. */
const DEFAULT_PATIENCE: BodyPatience = { arrivalMs: 30_000, drainMs: 10_000 };

/**
 * Ends connections that keep a request open for nothing: a document that drips in, and a body that goes on after the
 * answer. Node has one time limit for all requests, which long uploads forbid. Routes that read their bodies
 * themselves, as a stream, watch the pace of those themselves.
 */
export function limitBodies(server: FastifyInstance, patience: BodyPatience = DEFAULT_PATIENCE): void {
  server.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    const announced = raw.headers['transfer-encoding'] ?? raw.headers['content-length'];
    if (announced !== undefined && announced !== '0') {
      arrivals.set(request, cutOff(request, patience.arrivalMs));
      reply.raw.once('finish', () => {
        if (!raw.complete) cutOff(request, patience.drainMs);
      });
    }
    done();
  });
  // The body was read, or is a stream that has a reader now.
  server.addHook('preValidation', (request, _reply, done) => {
    readsItsBody(request);
    done();
  });
}

/** For those who read the body of a request that the framework has refused: they watch its pace themselves. */
export function readsItsBody(request: FastifyRequest): void {
  clearTimeout(arrivals.get(request));
}

function cutOff({ raw }: FastifyRequest, afterMs: number): NodeJS.Timeout {
  const timer = setTimeout(() => raw.socket.destroy(), afterMs);
  raw.once('close', () => clearTimeout(timer));
  raw.once('end', () => clearTimeout(timer));
  return timer;
}
