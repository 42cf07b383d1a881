import { SluiceError } from '@sluice/domain/oci';

export type BlobStorageErrorCode = 'OBJECT_MISSING' | 'UPLOAD_LOST' | 'STORAGE_FULL' | 'STORAGE_FAILED';

/** A fault of the storage. STORAGE_FULL and STORAGE_FAILED may pass; the other two mean that bytes are gone. */
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
