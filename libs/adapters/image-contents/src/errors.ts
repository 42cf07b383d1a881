import { SluiceError } from '@sluice/domain/oci';

/** `LAYER_CORRUPT`: no valid layer. `LAYER_LIMIT`: it exceeds a limit. `LAYER_UNSUPPORTED`: a form we cannot read. */
export type LayerErrorCode = 'LAYER_CORRUPT' | 'LAYER_LIMIT' | 'LAYER_UNSUPPORTED';

/** Why a layer could not be read to its end. The message is for the reader of the evidence. */
export class LayerError extends SluiceError<LayerErrorCode> {
  readonly code: LayerErrorCode;

  constructor(code: LayerErrorCode, message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}
