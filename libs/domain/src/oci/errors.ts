import { SluiceError } from '../errors.ts';

/**
 * The codes of the OCI distribution specification, "Error Codes", and the ones `distribution` added that clients know.
 * MANIFEST_TOO_LARGE is ours: the specification gives that case a status (413) and no code.
 */
export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_TOO_LARGE'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'RANGE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  | 'PAGINATION_NUMBER_INVALID'
  | 'UNAVAILABLE';

/** A refusal in the words of the distribution specification. The data plane maps `code` to its HTTP status. */
export class OciError extends SluiceError<OciErrorCode> {
  readonly code: OciErrorCode;

  constructor(code: OciErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}
