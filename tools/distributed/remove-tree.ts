import { rm } from 'node:fs/promises';

/** A server that has just ended may still be unlinking its own files. */
export function removeTree(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
