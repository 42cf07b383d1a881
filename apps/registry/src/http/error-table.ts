import { BlobStorageError } from '@sluice/blob-storage';
import { UploadOutOfOrder, VerdictPending } from '@sluice/distribution';
import { AccessError } from '@sluice/domain/access';
import { OciError, type OciErrorCode } from '@sluice/domain/oci';

/** One error as clients get it (distribution-spec, "Error Codes"). */
export interface WireError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Somebody must look at it: it is our fault or the fault of what we run on. */
  readonly isFault: boolean;
}

/** The one place where the words of the distribution specification get a status. */
const STATUS: Record<OciErrorCode, number> = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_TOO_LARGE: 413,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  RANGE_INVALID: 416,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  PAGINATION_NUMBER_INVALID: 400,
  UNAVAILABLE: 503,
};

/** Codes that are ours alone go out under the nearest one of the specification. */
const WIRE_CODE: Partial<Record<OciErrorCode, string>> = { MANIFEST_TOO_LARGE: 'SIZE_INVALID' };

/** Seconds after which a fault may have passed. */
const FAULT_RETRY_SECONDS = '10';

export function toWireError(error: unknown): WireError {
  if (error instanceof OciError) return fromOciError(error);
  if (error instanceof AccessError) return fromAccessError(error);
  if (error instanceof BlobStorageError) {
    return fault(
      error.code === 'STORAGE_FULL'
        ? 'the blob storage is full'
        : 'the blob storage does not answer as it should',
    );
  }
  return { ...fault('internal error'), status: 500, code: 'UNKNOWN' };
}

function fromOciError(error: OciError): WireError {
  return {
    status: STATUS[error.code],
    code: WIRE_CODE[error.code] ?? error.code,
    message: error.message,
    headers: headersOf(error),
    isFault: false,
  };
}

function headersOf(error: OciError): Record<string, string> {
  if (error instanceof VerdictPending) return { 'retry-after': String(error.retryAfterSeconds) };
  // What was sent is lost, but the client may go on from here.
  if (error instanceof UploadOutOfOrder) return { range: uploadRange(error.status.offsetBytes) };
  return error.code === 'UNAVAILABLE' ? { 'retry-after': FAULT_RETRY_SECONDS } : {};
}

function fromAccessError(error: AccessError): WireError {
  const base = { message: error.message, headers: {}, isFault: false };
  switch (error.code) {
    case 'credentials-invalid':
      return { ...base, status: 401, code: 'UNAUTHORIZED' };
    case 'credentials-throttled':
    case 'rate-limited':
      return {
        ...base,
        status: 429,
        code: 'TOOMANYREQUESTS',
        headers: { 'retry-after': String(error.retryAfterSeconds ?? FAULT_RETRY_SECONDS) },
      };
    case 'credentials-unavailable':
      return {
        ...base,
        status: 503,
        code: 'UNAVAILABLE',
        headers: { 'retry-after': FAULT_RETRY_SECONDS },
      };
    default:
      return { ...base, status: 403, code: 'DENIED' };
  }
}

function fault(message: string): WireError {
  return {
    status: 503,
    code: 'UNAVAILABLE',
    message,
    headers: { 'retry-after': FAULT_RETRY_SECONDS },
    isFault: true,
  };
}

/** `Range` of an upload: the last byte that is there; `0-0` also when there is none, as clients expect. */
export function uploadRange(offsetBytes: number): string {
  return `0-${Math.max(offsetBytes - 1, 0)}`;
}

export function errorBody({ code, message }: WireError): Buffer {
  return Buffer.from(JSON.stringify({ errors: [{ code, message }] }));
}
