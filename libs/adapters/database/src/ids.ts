import { randomUUID } from 'node:crypto';

/**
 * A new UUID version 7 (RFC 9562, 5.7): ordered by time, so that primary keys grow at the end of their index.
 */
export function newId(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  // The random bits and the variant are those of a version 4, which Node makes in batches.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
