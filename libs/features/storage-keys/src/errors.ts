import { SluiceError } from '@sluice/domain/access';

export type StorageKeyErrorCode = 'encryption-off' | 'key-domain-unknown';

/** A refusal about the keys that stored content is encrypted under. */
export class StorageKeyError extends SluiceError<StorageKeyErrorCode> {
  readonly code: StorageKeyErrorCode;

  constructor(code: StorageKeyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
