import type { CatalogErrorCode } from '@sluice/catalog';
import type { AccessErrorCode } from '@sluice/domain/access';
import { SluiceError } from '@sluice/domain/access';
import type { OciErrorCode } from '@sluice/domain/oci';
import type { PolicyErrorCode } from '@sluice/domain/policy';
import type { StorageKeyErrorCode } from '@sluice/storage-keys';
import type { KeyErrorCode, TrustErrorCode } from '@sluice/domain/signature';

/** An error of the API in the form of RFC 9457, with `code` for programs and `errors` for faults of single fields. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly requestId: string;
  readonly errors?: readonly FieldError[];
}

export interface FieldError {
  /** JSON pointer (RFC 6901) into the body, or `?name` for a query parameter. */
  readonly pointer: string;
  readonly message: string;
}

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/** Faults that the API itself finds, before any feature is asked. */
export type ApiErrorCode =
  'validation-failed' | 'unauthenticated' | 'not-found' | 'precondition-required' | 'precondition-failed';

/** A refusal by the API itself. Features raise their own errors. */
export class ApiError extends SluiceError<ApiErrorCode> {
  readonly code: ApiErrorCode;
  readonly errors: readonly FieldError[];

  constructor(code: ApiErrorCode, message: string, errors: readonly FieldError[] = []) {
    super(message);
    this.code = code;
    this.errors = errors;
  }
}

/**
 * What every error code means in HTTP: the only place that knows. A feature that raises codes of its own adds its
 * union here; the compiler then asks for each of them.
 */
const PROBLEMS: Record<
  | AccessErrorCode
  | ApiErrorCode
  | CatalogErrorCode
  | KeyErrorCode
  | OciErrorCode
  | PolicyErrorCode
  | StorageKeyErrorCode
  | TrustErrorCode,
  ProblemKind
> = {
  'validation-failed': { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'Credentials are needed' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'precondition-required': { status: 428, title: 'If-Match is needed' },
  'precondition-failed': { status: 412, title: 'It has changed meanwhile' },

  'path-invalid': { status: 400, title: 'The path is not valid' },
  'path-taken': { status: 409, title: 'The path is taken' },
  'node-unknown': { status: 404, title: 'There is no such group or project' },
  'node-not-empty': { status: 409, title: 'It is not empty' },
  'name-invalid': { status: 400, title: 'The name is not valid' },
  'name-taken': { status: 409, title: 'The name is taken' },
  'last-admin': { status: 409, title: 'An administrator must remain' },
  'password-invalid': { status: 400, title: 'The password is not valid' },
  'principal-unknown': { status: 404, title: 'There is no such principal' },
  'secret-unknown': { status: 404, title: 'There is no such secret' },
  'grant-unknown': { status: 404, title: 'There is no such grant' },
  'role-invalid': { status: 400, title: 'The role is not valid' },
  'expiry-invalid': { status: 400, title: 'The expiry is not valid' },
  'scope-invalid': { status: 400, title: 'The scope is not valid' },
  'limit-reached': { status: 409, title: 'A limit is reached' },
  'binding-invalid': { status: 400, title: 'The CI binding is not valid' },
  'binding-unknown': { status: 404, title: 'There is no such CI binding' },
  'binding-taken': { status: 409, title: 'The CI binding exists already' },
  'credentials-invalid': { status: 401, title: 'The credentials are not valid' },
  'credentials-throttled': { status: 429, title: 'Too many failed logins' },
  'credentials-unavailable': { status: 503, title: 'Credentials cannot be checked now' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  denied: { status: 403, title: 'Not allowed' },

  'reference-invalid': { status: 400, title: 'The reference is not valid' },
  'other-registry': { status: 400, title: 'That is another registry' },
  'repository-unknown': { status: 404, title: 'There is no such repository' },
  'artifact-unknown': { status: 404, title: 'There is no such artifact' },
  'sbom-missing': { status: 404, title: 'There is no SBOM' },
  'verdict-unknown': { status: 404, title: 'There is no such verdict' },

  'policy-invalid': { status: 400, title: 'The policy is not valid' },
  'policy-unknown': { status: 404, title: 'There is no such policy' },
  'policy-changed': { status: 409, title: 'The policy has changed meanwhile' },
  'policy-protected': { status: 409, title: 'The policy cannot be deleted' },
  'policy-node-unknown': { status: 404, title: 'There is no such group or project' },
  'trusted-key-name-invalid': { status: 400, title: 'The name is not valid' },
  'trusted-key-name-taken': { status: 409, title: 'The name is taken' },
  'trusted-key-exists': { status: 409, title: 'The key is trusted already' },
  'trusted-key-limit': { status: 409, title: 'A limit is reached' },
  'trusted-key-unknown': { status: 404, title: 'There is no such trusted key' },
  'encryption-off': { status: 409, title: 'Nothing is encrypted here' },
  'key-domain-unknown': { status: 400, title: 'There is no key of that domain' },
  KEY_INVALID: { status: 400, title: 'The key is not valid' },
  KEY_IS_PRIVATE: { status: 400, title: 'This is a private key' },
  KEY_UNSUPPORTED: { status: 400, title: 'The kind of key is not supported' },
  KEY_FILE_INVALID: { status: 400, title: 'The key file is not valid' },
  KEY_FILE_UNSUPPORTED: { status: 400, title: 'The kind of key file is not supported' },
  KEY_FILE_PASSWORD: { status: 400, title: 'The password of the key file is wrong' },

  BLOB_UNKNOWN: { status: 404, title: 'There is no such blob' },
  BLOB_UPLOAD_INVALID: { status: 400, title: 'The upload is not valid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, title: 'There is no such upload' },
  DIGEST_INVALID: { status: 400, title: 'The digest is not valid' },
  MANIFEST_BLOB_UNKNOWN: { status: 404, title: 'The manifest names an unknown blob' },
  MANIFEST_INVALID: { status: 400, title: 'The manifest is not valid' },
  MANIFEST_UNKNOWN: { status: 404, title: 'There is no such artifact' },
  MANIFEST_TOO_LARGE: { status: 413, title: 'The manifest is too large' },
  NAME_INVALID: { status: 400, title: 'The repository name is not valid' },
  NAME_UNKNOWN: { status: 404, title: 'There is no such repository' },
  SIZE_INVALID: { status: 400, title: 'The size is not valid' },
  TAG_INVALID: { status: 400, title: 'The tag is not valid' },
  RANGE_INVALID: { status: 416, title: 'The range is not valid' },
  UNAUTHORIZED: { status: 401, title: 'Credentials are needed' },
  DENIED: { status: 403, title: 'Not allowed' },
  UNSUPPORTED: { status: 405, title: 'Not supported' },
  TOOMANYREQUESTS: { status: 429, title: 'Too many requests' },
  PAGINATION_NUMBER_INVALID: { status: 400, title: 'The page size is not valid' },
  UNAVAILABLE: { status: 503, title: 'Not available now' },
};

/** Titles for what Nest and Fastify refuse by themselves. */
const STATUS_PROBLEMS: Record<number, { code: string; title: string }> = {
  400: { code: 'malformed-request', title: 'The request cannot be read' },
  401: { code: 'unauthenticated', title: 'Credentials are needed' },
  403: { code: 'denied', title: 'Not allowed' },
  404: { code: 'not-found', title: 'There is no such thing' },
  405: { code: 'method-not-allowed', title: 'The method is not allowed here' },
  406: { code: 'not-acceptable', title: 'No acceptable form' },
  408: { code: 'timeout', title: 'The request took too long' },
  413: { code: 'body-too-large', title: 'The body is too large' },
  414: { code: 'url-too-long', title: 'The URL is too long' },
  415: { code: 'media-type-unsupported', title: 'The media type is not supported' },
  429: { code: 'too-many-requests', title: 'Too many requests' },
  503: { code: 'unavailable', title: 'Not available now' },
};

/** Null for codes that are in no table: such an error is a fault of the program. */
export function kindOfCode(code: string): ProblemKind | null {
  return (PROBLEMS as Record<string, ProblemKind>)[code] ?? null;
}

export function kindOfStatus(status: number): { code: string; title: string } {
  return (
    STATUS_PROBLEMS[status] ??
    (status < 500
      ? { code: 'malformed-request', title: 'The request cannot be read' }
      : { code: 'internal', title: 'Something went wrong here' })
  );
}

/** `NAME_UNKNOWN` and `path-taken` become `urn:sluice:problem:name-unknown` and `urn:sluice:problem:path-taken`. */
export function problemType(code: string): string {
  return `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`;
}
