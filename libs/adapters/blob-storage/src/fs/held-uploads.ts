import { randomUUID } from 'node:crypto';
import type { StorageState } from '../blob-storage.ts';
import { releaseChunk } from '../lent-chunks.ts';

/** Bodies up to this size are stored in one go: configs, signatures, bills of materials, small layers. */
const SMALL_BYTES = 256 * 1024;
/** So much may wait for its end at once; what comes beyond is written as it comes. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;
/** An end that has not come by then does not come: its request has failed in between. */
const HELD_MS = 60_000;

interface Held {
  /** Names the attempt: another one may bring as many bytes. */
  readonly token: string;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly since: number;
}

/** What came of reading the beginning of a body. */
export type Beginning =
  | { readonly kind: 'whole'; readonly content: Uint8Array<ArrayBuffer> }
  /** All of it, what was read included; throws where the body does. Whoever does not read it to its end lets go of it. */
  | {
      readonly kind: 'long';
      readonly body: AsyncIterable<Uint8Array>;
      readonly letGo: () => Promise<unknown>;
    };

/** Small uploads that are complete, in memory, until they are finished or thrown away. */
export class HeldUploads {
  readonly #held = new Map<string, Held>();
  #bytes = 0;

  get hasRoom(): boolean {
    return this.#bytes + SMALL_BYTES <= HELD_BYTES_MAX || this.#dropForgotten();
  }

  /** Returns what {@link take} gives the content for. */
  hold(key: string, content: Uint8Array<ArrayBuffer>): string {
    this.drop(key);
    const token = randomUUID();
    this.#held.set(key, { token, content, since: performance.now() });
    this.#bytes += content.length;
    return token;
  }

  /** Holds nothing under the key any longer. Returns what was held for that token, undefined when it was not. */
  take(key: string, token: StorageState): Uint8Array<ArrayBuffer> | undefined {
    const held = this.#held.get(key);
    this.drop(key);
    return held?.token === token ? held.content : undefined;
  }

  drop(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#bytes -= held.content.length;
  }

  #dropForgotten(): boolean {
    const before = performance.now() - HELD_MS;
    for (const [key, { since }] of this.#held) if (since < before) this.drop(key);
    return this.#bytes + SMALL_BYTES <= HELD_BYTES_MAX;
  }
}

/** Reads a body until it ends or is too long to be held. */
export async function readBeginning(body: AsyncIterable<Uint8Array>): Promise<Beginning> {
  const iterator = body[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let failure: { readonly error: unknown } | undefined;
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      if (done === true) return { kind: 'whole', content: joined(chunks, bytes) };
      chunks.push(value);
      bytes += value.length;
      if (bytes > SMALL_BYTES) break;
    }
  } catch (error) {
    failure = { error };
  }
  async function* all(): AsyncIterable<Uint8Array> {
    yield* chunks;
    if (failure !== undefined) throw failure.error;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  // Not in a `finally` of the generator: one that was never asked for anything never comes there.
  return { kind: 'long', body: all(), letGo: async () => iterator.return?.() };
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    content.set(chunk, at);
    at += chunk.length;
    releaseChunk(chunk);
  }
  return content;
}
