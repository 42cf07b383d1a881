import type { ObjectCipher } from './object-cipher.ts';
import type { ObjectLayout } from './object-layout.ts';

/** Data keys in memory at most; one takes about a kilobyte. */
const OPENED_MAX = 10_000;
/** Whoever takes a key encryption key away wants reads to end soon. */
const OPENED_MS = 300_000;

/** An object whose data key is known. `layout` is null while it is uploaded. */
export interface OpenedObject {
  readonly cipher: ObjectCipher;
  readonly layout: ObjectLayout | null;
}

/** Remembers for a while what it took a query and a key to find out. Object keys are never used twice. */
export class OpenedObjects {
  readonly #opened = new Map<string, OpenedObject & { readonly until: number }>();

  get(objectKey: string): OpenedObject | null {
    const opened = this.#opened.get(objectKey);
    if (opened === undefined) return null;
    this.#opened.delete(objectKey);
    if (opened.until < performance.now()) return null;
    this.#opened.set(objectKey, opened);
    return opened;
  }

  keep(objectKey: string, opened: OpenedObject): void {
    this.#opened.delete(objectKey);
    this.#opened.set(objectKey, { ...opened, until: performance.now() + OPENED_MS });
    for (const oldest of this.#opened.keys()) {
      if (this.#opened.size <= OPENED_MAX) break;
      this.#opened.delete(oldest);
    }
  }

  forget(objectKey: string): void {
    this.#opened.delete(objectKey);
  }
}
