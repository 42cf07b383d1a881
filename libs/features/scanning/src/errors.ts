import { SluiceError } from '@sluice/domain/oci';

/** `FILE_MISSING`, `FILE_INVALID`: no file of OSV records. `FILE_EMPTY`: one in which no record could be read. */
export type AdvisoryErrorCode = 'ADVISORY_FILE_MISSING' | 'ADVISORY_FILE_INVALID' | 'ADVISORY_FILE_EMPTY';

/** Why a file of advisories was not imported. Nothing of it is in the store then. */
export class AdvisoryError extends SluiceError<AdvisoryErrorCode> {
  readonly code: AdvisoryErrorCode;

  constructor(code: AdvisoryErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}
