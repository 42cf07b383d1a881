/** How to give each lent chunk back. */
const lenders = new WeakMap<Uint8Array, () => void>();

/**
 * Marks a chunk of an upload as lent by its producer, who uses the memory again once it has it back. A body of a
 * gigabyte would else leave as much memory to the garbage collector, which costs more than storing it.
 */
export function lendChunk(chunk: Uint8Array, giveBack: () => void): void {
  lenders.set(chunk, giveBack);
}

/**
 * For the consumer of a body, when it has used up a chunk: nobody may look at it any more. Chunks that were not lent,
 * and lent ones that are never released, are left to the garbage collector.
 */
export function releaseChunk(chunk: Uint8Array): void {
  const giveBack = lenders.get(chunk);
  if (giveBack === undefined) return;
  lenders.delete(chunk);
  giveBack();
}
