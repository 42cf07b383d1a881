import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm } from '@sluice/domain/oci';
import { RegistryClientError } from './errors.ts';

/** The digest of the bytes under the algorithm of another one, SHA-256 without it. */
export function digestOf(bytes: Uint8Array, like: Digest | null): Digest {
  const algorithm = like === null ? 'sha256' : digestAlgorithm(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

export function mismatch(expected: Digest, found: Digest): RegistryClientError {
  return new RegistryClientError('DIGEST_MISMATCH', `expected the content ${expected}, got ${found}`);
}
