import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JobWork } from './job-workers.ts';

/** Answers requests, on whatever port and beside whatever else. A Fastify instance that does not listen is one. */
export interface Endpoint {
  /** @param path of the request, without its query, as the client wrote it */
  owns(path: string): boolean;
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** After the last request. */
  close(): Promise<void>;
}

/** Something that goes on by itself. */
export interface Background {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What one app does; a process runs one part, or several. */
export interface Part {
  /** Asked in their order, part by part; what owns every path that is left belongs to the last part. */
  readonly endpoints?: readonly Endpoint[];
  readonly work?: JobWork;
  readonly background?: readonly Background[];
  /** After everything above has ended. */
  close?(): Promise<void>;
}
