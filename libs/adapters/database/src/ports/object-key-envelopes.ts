/** A data key of an object, encrypted under a key encryption key. */
export interface WrappedObjectKey {
  readonly domain: string;
  /** Names the key encryption key. */
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

export interface ObjectKeyEnvelope extends WrappedObjectKey {
  readonly seal: Uint8Array;
}

/** How much needs a key encryption key. */
export interface KeyUsage {
  readonly domain: string;
  readonly keyId: string;
  readonly objects: number;
  /** Uploads under way; they end or expire within a day. */
  readonly uploads: number;
}

/** A data key that was wrapped again. */
export interface Rewrapped {
  readonly objectKey: string;
  readonly from: WrappedObjectKey;
  readonly to: WrappedObjectKey;
}

/**
 * The envelopes of encrypted objects. {@link domainOf} to {@link remove} are what encrypted blob storage needs; the rest
 * is for the rotation of keys.
 */
export abstract class ObjectKeyEnvelopes {
  /** The key domain of the repository that an upload session of that storage key belongs to; '' without one. */
  abstract domainOf(objectKey: string): Promise<string>;

  abstract find(objectKey: string): Promise<ObjectKeyEnvelope | null>;

  /** Takes the place of one that is there. */
  abstract put(objectKey: string, envelope: ObjectKeyEnvelope): Promise<void>;

  abstract remove(objectKey: string): Promise<void>;

  /** Every key that an envelope names, found without reading all of them. */
  abstract keysInUse(): Promise<{ readonly domain: string; readonly keyId: string }[]>;

  /** Counts; takes time in the number of objects. */
  abstract usage(): Promise<KeyUsage[]>;

  /**
   * Data keys under a key encryption key, in byte order of their objects.
   *
   * @param after object key of the last one of the page before
   */
  abstract list(
    keyId: string,
    after: string | null,
    limit: number,
  ): Promise<(WrappedObjectKey & { readonly objectKey: string })[]>;

  /** Replaces data keys that are still what they were, and leaves the others. Returns how many were replaced. */
  abstract replace(changes: readonly Rewrapped[]): Promise<number>;
}
