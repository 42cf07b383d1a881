import type { KeyEncryptionKeys } from '@sluice/blob-storage';
import type { ObjectKeyEnvelopes, Rewrapped, WrappedObjectKey } from '@sluice/database';

const BATCH = 500;

export interface RewrapContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number | null, unit: string) => void;
}

type Envelope = WrappedObjectKey & { readonly objectKey: string };

/**
 * Rotates key encryption keys: decrypts data keys with the old key and encrypts them with the new one. Content is
 * neither read nor written. What is done is done: it may be interrupted anywhere, be started again, and run while
 * content is pushed, pulled and deleted.
 */
export class DataKeyRewrapper {
  readonly #envelopes: ObjectKeyEnvelopes;
  readonly #keys: KeyEncryptionKeys;

  constructor(envelopes: ObjectKeyEnvelopes, keys: KeyEncryptionKeys) {
    this.#envelopes = envelopes;
    this.#keys = keys;
  }

  /**
   * Wraps every data key that is not under the active key of its domain, except those whose key is gone. Returns how
   * many were.
   *
   * @throws Error at its end when data keys could not be unwrapped; all others are done by then
   */
  async rewrap({ signal, progress }: RewrapContext): Promise<number> {
    const stale = (await this.#envelopes.usage()).filter(
      ({ domain, keyId, objects }) =>
        objects > 0 && this.#keys.state(keyId) === 'reading' && this.#keys.activeKeyId(domain) !== null,
    );
    const total = stale.reduce((sum, { objects }) => sum + objects, 0);
    const failures: { objectKey: string; error: unknown }[] = [];
    let done = 0;
    progress(done, total, 'objects');
    for (const { keyId } of stale) {
      for (let after: string | null = null; ;) {
        signal.throwIfAborted();
        const batch: Envelope[] = await this.#envelopes.list(keyId, after, BATCH);
        after = batch.at(-1)?.objectKey ?? null;
        if (after === null) break;
        done += await this.#envelopes.replace(await this.#wrapAll(batch, failures));
        progress(done, Math.max(done, total), 'objects');
      }
    }
    const [first] = failures;
    if (first !== undefined) {
      throw new Error(
        `${failures.length} data keys could not be rewrapped, first that of ${first.objectKey}: ${(first.error as Error).message}`,
        { cause: first.error },
      );
    }
    return done;
  }

  async #wrapAll(
    batch: readonly Envelope[],
    failures: { objectKey: string; error: unknown }[],
  ): Promise<Rewrapped[]> {
    const changes: Rewrapped[] = [];
    for (const { objectKey, ...from } of batch) {
      try {
        const dataKey = await this.#keys.unwrap(from, objectKey);
        const to = await this.#keys.wrap(from.domain, dataKey, objectKey);
        dataKey.fill(0);
        changes.push({ objectKey, from, to });
      } catch (error) {
        failures.push({ objectKey, error });
      }
    }
    return changes;
  }
}
