import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { DEFAULT_TIMEOUT_SECONDS, isProtected, type S3Options } from './s3-options.ts';

/** Tries of one request, with the growing and random pauses of the SDK between them. */
const ATTEMPTS = 4;
const CONNECT_SECONDS = 5;
/**
 * Conflicts with a request of somebody else that pass: S3 says the first, a store on a file system the second while it
 * removes the directory that the last object of a prefix left empty. The SDK takes no 409 for one that passes.
 */
const PASSING_CONFLICTS = new Set(['OperationAborted', 'ExistingObjectIsDirectory']);

/**
 * A client with the settings that every S3 store understands.
 *
 * Since its version 3.729 the SDK sends checksums in a framing of its own unless told otherwise; Ceph answers 411, and
 * worse stores keep the framing as content. What protects the bytes instead: TLS where there is some, and where there
 * is none the SHA-256 of every request body, which is part of its signature.
 *
 * @param signsPayload true for a client that is to sign URLs, too: those say by themselves that their payload is not
 */
export function createClient(options: S3Options, signsPayload: boolean = !isProtected(options)): S3Client {
  const timeoutMs = timeoutMsOf(options);
  const client = new S3Client({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    forcePathStyle: options.pathStyle,
    credentials: { accessKeyId: options.accessKey, secretAccessKey: options.secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Bodies are in memory and of the right length: asking first would only cost time.
    expectContinueHeader: false,
    maxAttempts: ATTEMPTS,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_SECONDS * 1_000,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      // Would also end the downloads of slow clients; GuardedBody tells them from a slow store.
      socketTimeout: 0,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: Infinity }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: Infinity }),
    }),
  });
  client.middlewareStack.add(markPassingConflicts, { step: 'deserialize', priority: 'high' });
  // TLS protects the payload, so its hash would only cost time: two thirds of what a part costs.
  if (!signsPayload) {
    client.middlewareStack.add(withHeaders({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }), {
      step: 'build',
    });
  }
  return client;
}

export function timeoutMsOf({ timeoutSeconds = DEFAULT_TIMEOUT_SECONDS }: S3Options): number {
  return timeoutSeconds * 1_000;
}

/** A middleware for the step `build`: adds headers to a request before it is signed. */
export function withHeaders(headers: Readonly<Record<string, string>>) {
  return <Args extends { readonly request: unknown }, Result>(next: (args: Args) => Promise<Result>) =>
    (args: Args): Promise<Result> => {
      if (hasHeaders(args.request)) Object.assign(args.request.headers, headers);
      return next(args);
    };
}

/** A middleware inside the tries of a request: says of an error that trying again may help. */
function markPassingConflicts<Args, Result>(next: (args: Args) => Promise<Result>) {
  return async (args: Args): Promise<Result> => {
    try {
      return await next(args);
    } catch (error) {
      if (error instanceof S3ServiceException && PASSING_CONFLICTS.has(error.name)) {
        Object.assign(error, { $retryable: { throttling: false } });
      }
      throw error;
    }
  };
}

function hasHeaders(request: unknown): request is { headers: Record<string, string> } {
  return typeof request === 'object' && request !== null && 'headers' in request;
}
