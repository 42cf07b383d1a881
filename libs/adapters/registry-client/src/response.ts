import { RegistryClientError } from './errors.ts';

const ERROR_BODY_MAX = 64 * 1024;

/** Reads a body of at most `maxBytes`. @throws RegistryClientError TOO_LARGE, UNREACHABLE */
export async function readLimited(response: Response, maxBytes: number, what: string): Promise<Buffer> {
  const tooLarge = (): RegistryClientError =>
    new RegistryClientError('TOO_LARGE', `${what} has more than ${maxBytes} bytes`, {
      status: response.status,
    });
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    await discard(response);
    throw tooLarge();
  }
  if (response.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof RegistryClientError) throw cause;
    throw new RegistryClientError('UNREACHABLE', `the connection broke while reading ${what}`, { cause });
  }
  return Buffer.concat(chunks, size);
}

/** Lets go of a body that nobody reads, so that its connection can be used again. */
export async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

/** The error that a refusing response stands for. */
export async function toError(response: Response, request: string): Promise<RegistryClientError> {
  const body = await readLimited(response, ERROR_BODY_MAX, 'the error message').catch(() => Buffer.alloc(0));
  const { status } = response;
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const said = describeRefusal(body);
  return new RegistryClientError(
    errorCode(status),
    `${request}: ${status}${said === null ? '' : ` ${said}`}`,
    {
      status,
      ociCode: firstError(body)?.code ?? null,
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
    },
  );
}

/** The first error of a body in the form of the distribution specification, as one printable line; null without one. */
export function describeRefusal(body: Buffer): string | null {
  const error = firstError(body);
  if (error === null) return null;
  const line = error.message === null ? error.code : `${error.code}: ${error.message}`;
  // It ends up on terminals: no control characters from a stranger.
  return line.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 1000);
}

function firstError(body: Buffer): { code: string; message: string | null } | null {
  try {
    const { errors } = JSON.parse(body.toString('utf8')) as {
      errors?: { code?: unknown; message?: unknown }[];
    };
    const first = errors?.[0];
    if (typeof first?.code !== 'string') return null;
    return { code: first.code, message: typeof first.message === 'string' ? first.message : null };
  } catch {
    return null;
  }
}

function errorCode(status: number): RegistryClientError['code'] {
  switch (status) {
    case 401:
      return 'UNAUTHORIZED';
    case 403:
      return 'DENIED';
    case 404:
      return 'NOT_FOUND';
    case 429:
      return 'RATE_LIMITED';
    default:
      return 'REFUSED';
  }
}
