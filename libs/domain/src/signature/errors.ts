import { SluiceError } from '../errors.ts';

/** What can be wrong with a key that a person hands in. */
export type KeyErrorCode =
  | 'KEY_INVALID'
  | 'KEY_IS_PRIVATE'
  | 'KEY_UNSUPPORTED'
  | 'KEY_FILE_INVALID'
  | 'KEY_FILE_UNSUPPORTED'
  | 'KEY_FILE_PASSWORD';

/** A key or key file that cannot be used. The message never repeats key material. */
export class KeyError extends SluiceError<KeyErrorCode> {
  readonly code: KeyErrorCode;

  constructor(code: KeyErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** Every way in which something that claims to be a signature is refused; each has exactly one cause. */
export type RejectionCode =
  | 'content-missing'
  | 'content-too-large'
  | 'manifest-malformed'
  | 'layer-type'
  | 'limit'
  | 'payload-malformed'
  | 'payload-type'
  | 'signature-missing'
  | 'signature-encoding'
  | 'bundle-malformed'
  | 'bundle-version'
  | 'certificate'
  | 'message-signature'
  | 'envelope-signatures'
  | 'key-id'
  | 'statement-malformed'
  | 'attestation'
  | 'other-digest'
  | 'no-trusted-keys'
  | 'untrusted-key'
  | 'wrong-signature';

/** Why something does not count as a signature. */
export interface Rejection {
  readonly code: RejectionCode;
  /** One sentence for a person. */
  readonly message: string;
}

/** Thrown by the parsers of this package; carries the {@link Rejection} that becomes evidence. */
export class SignatureRejected extends SluiceError<RejectionCode> implements Rejection {
  readonly code: RejectionCode;

  constructor(code: RejectionCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}

export type TrustErrorCode =
  | 'trusted-key-name-invalid'
  | 'trusted-key-name-taken'
  | 'trusted-key-exists'
  | 'trusted-key-limit'
  | 'trusted-key-unknown';

/** A refused change of the keys that are trusted. */
export class TrustError extends SluiceError<TrustErrorCode> {
  readonly code: TrustErrorCode;

  constructor(code: TrustErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}
