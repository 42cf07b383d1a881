import { SluiceError } from '@sluice/domain/oci';

export type CatalogErrorCode =
  | 'reference-invalid'
  | 'other-registry'
  | 'repository-unknown'
  | 'artifact-unknown'
  | 'verdict-unknown'
  | 'sbom-missing';

/** What was asked for does not exist, or cannot. */
export class CatalogError extends SluiceError<CatalogErrorCode> {
  readonly code: CatalogErrorCode;

  constructor(code: CatalogErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}
