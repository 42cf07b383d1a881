import { SluiceError } from '@sluice/domain/oci';

export type RegistryClientErrorCode =
  /** No answer: name, connection, TLS, or the time was up. */
  | 'UNREACHABLE'
  /** No credentials, or the registry or its token service does not accept them. */
  | 'UNAUTHORIZED'
  /** Known, but not allowed; also the answer of a gate. */
  | 'DENIED'
  | 'NOT_FOUND'
  /** 429; `retryAfterSeconds` may say when. */
  | 'RATE_LIMITED'
  /** Any other status that says no. */
  | 'REFUSED'
  /** The answer is larger than the caller allows. */
  | 'TOO_LARGE'
  /** The content is not what its digest says. */
  | 'DIGEST_MISMATCH'
  /** The answer breaks the distribution specification, or would send us or our secrets elsewhere. */
  | 'PROTOCOL'
  | 'REFERENCE_INVALID'
  | 'CREDENTIALS_INVALID';

/** A request to a registry that did not end as asked. */
export class RegistryClientError extends SluiceError<RegistryClientErrorCode> {
  readonly code: RegistryClientErrorCode;
  readonly status: number | null;
  /** The first error code of the body, e.g. `MANIFEST_UNKNOWN`. */
  readonly ociCode: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(
    code: RegistryClientErrorCode,
    message: string,
    options: {
      cause?: unknown;
      status?: number;
      ociCode?: string | null;
      retryAfterSeconds?: number | null;
    } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? null;
    this.ociCode = options.ociCode ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
