import type { KeyObject } from 'node:crypto';
import { SluiceError } from '@sluice/domain/access';

export type IssuerKeysErrorCode = 'key-unknown' | 'issuer-unknown' | 'issuer-unavailable';

/** Why a key of an issuer could not be given. `issuer-unavailable` may pass; the others will not by themselves. */
export class IssuerKeysError extends SluiceError<IssuerKeysErrorCode> {
  readonly code: IssuerKeysErrorCode;

  constructor(
    code: IssuerKeysErrorCode,
    message: string,
    options: { cause?: unknown; detail?: string } = {},
  ) {
    super(message, options);
    this.code = code;
  }
}

/** Algorithms whose signatures an issuer's public key can prove. `none` and HMAC are none of them. */
export const ISSUER_ALGORITHMS = ['RS256', 'ES256'] as const;
export type IssuerAlgorithm = (typeof ISSUER_ALGORITHMS)[number];

/** The public keys of the issuers that this installation trusts. */
export abstract class IssuerKeys {
  /**
   * The key that an issuer signs with under this id. Implementations remember keys, ask the issuer again when the id
   * is new (with a cool-down, so that invented ids cost nothing), and go on with remembered keys while the issuer
   * cannot be reached.
   *
   * @param kid null when the token names none: then the issuer must have exactly one key for the algorithm
   * @throws IssuerKeysError
   */
  abstract keyFor(issuer: string, kid: string | null, algorithm: IssuerAlgorithm): Promise<KeyObject>;
}
