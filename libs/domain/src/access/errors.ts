import { SluiceError } from '../errors.ts';

/** Codes of everything that identity and access refuse. */
export type AccessErrorCode =
  | 'path-invalid'
  | 'path-taken'
  | 'node-unknown'
  | 'node-not-empty'
  | 'name-invalid'
  | 'name-taken'
  | 'last-admin'
  | 'password-invalid'
  | 'principal-unknown'
  | 'secret-unknown'
  | 'grant-unknown'
  | 'role-invalid'
  | 'expiry-invalid'
  | 'scope-invalid'
  | 'limit-reached'
  | 'binding-invalid'
  | 'binding-unknown'
  | 'binding-taken'
  | 'credentials-invalid'
  | 'credentials-throttled'
  | 'credentials-unavailable'
  | 'rate-limited'
  | 'denied';

/** A refusal of identity or access. */
export class AccessError extends SluiceError<AccessErrorCode> {
  readonly code: AccessErrorCode;
  /** For `credentials-throttled` and `rate-limited`: seconds after which another attempt is worth making. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: AccessErrorCode,
    message: string,
    options: { cause?: unknown; detail?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
