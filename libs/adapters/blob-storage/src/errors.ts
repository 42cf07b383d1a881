import { SluiceError } from '@sluice/domain/oci';

export type BlobStorageErrorCode =
  | 'OBJECT_MISSING'
  | 'UPLOAD_LOST'
  | 'STORAGE_FULL'
  | 'STORAGE_FAILED'
  | 'OBJECT_TAMPERED'
  | 'KEY_UNAVAILABLE';

/**
 * A fault of the storage. STORAGE_FULL and STORAGE_FAILED may pass; OBJECT_MISSING and UPLOAD_LOST mean that bytes are
 * gone. Encrypted storage adds OBJECT_TAMPERED (what is stored is not what was stored) and KEY_UNAVAILABLE (the key
 * encryption key of the content is not here).
 */
export class BlobStorageError extends SluiceError<BlobStorageErrorCode> {
  readonly code: BlobStorageErrorCode;

  constructor(
    code: BlobStorageErrorCode,
    message: string,
    options: { cause?: unknown; detail?: string } = {},
  ) {
    super(message, options);
    this.code = code;
  }
}
