import { RegistryClientError } from '@sluice/registry-client';

/** Whether one content of a foreign signature cannot be had, while the registry itself answers. */
export function isUnreadable(error: unknown): boolean {
  return (
    error instanceof RegistryClientError && ['NOT_FOUND', 'TOO_LARGE', 'DIGEST_MISMATCH'].includes(error.code)
  );
}
