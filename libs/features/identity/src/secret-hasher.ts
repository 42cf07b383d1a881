import { createHash, createHmac, randomBytes } from 'node:crypto';
import { formatSecretToken, SECRET_RANDOM_BYTES, type SecretKind } from '@sluice/domain/access';

/**
 * Makes secrets and the hashes that are stored of them. With 256 random bits a fast hash is enough; a pepper that
 * lies outside the database makes a stolen table useless even for checking whether a found token is one of ours.
 */
export class SecretHasher {
  readonly #pepper: Buffer | null;

  constructor(pepper: Buffer | null = null) {
    this.#pepper = pepper;
  }

  /** A new secret, to be shown once, with the hash to store. */
  generate(kind: SecretKind): { token: string; hash: Buffer } {
    const token = formatSecretToken(kind, randomBytes(SECRET_RANDOM_BYTES));
    return { token, hash: this.hash(token) };
  }

  hash(token: string): Buffer {
    const hash = this.#pepper === null ? createHash('sha256') : createHmac('sha256', this.#pepper);
    return hash.update(token).digest();
  }
}
