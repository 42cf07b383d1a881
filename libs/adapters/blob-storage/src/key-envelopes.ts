import type { WrappedKey } from './key-encryption-keys.ts';

/** What is needed to read an encrypted object beside its bytes and a key encryption key. */
export interface KeyEnvelope extends WrappedKey {
  /** Size and layout of the object, encrypted under its data key. */
  readonly seal: Uint8Array;
}

/**
 * Keeps the envelope of every encrypted object beside the books that say what an object is: whoever loses it has lost
 * those books as well. It is not kept in the object, because an object never changes and its data key must be wrapped
 * again whenever the key above it changes (docs/adr/0008-encrypted-storage.md).
 */
export abstract class KeyEnvelopes {
  /** In which domain an upload that begins now under that key must be stored. */
  abstract domainOf(objectKey: string): Promise<string>;

  /** Null for an object that is not encrypted, or that does not exist. */
  abstract find(objectKey: string): Promise<KeyEnvelope | null>;

  /** Durable when it resolves. Takes the place of one that is there. */
  abstract put(objectKey: string, envelope: KeyEnvelope): Promise<void>;

  /** Removing what is not there is no error. */
  abstract remove(objectKey: string): Promise<void>;
}
