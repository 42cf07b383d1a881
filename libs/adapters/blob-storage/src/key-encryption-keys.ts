/** The domain of everything that has no domain of its own. */
export const SHARED_KEY_DOMAIN = '';

/** A data key, encrypted under a key encryption key. */
export interface WrappedKey {
  /** Who shares keys, and with them stored content; '' is the domain of everybody. */
  readonly domain: string;
  /** Names the key encryption key. */
  readonly keyId: string;
  /** Ciphertext, in the form of whoever holds the key encryption key. */
  readonly wrapped: Uint8Array;
}

/** What can be done with a key encryption key; `missing` when nobody here has heard of it. */
export type KeyState = 'active' | 'reading' | 'destroyed' | 'missing';

/**
 * Holds the keys that encrypt data keys, and encrypts and decrypts nothing but those: key encryption keys need never
 * leave a vault or a hardware module. Every key belongs to one domain, and a domain has at most one active key.
 */
export abstract class KeyEncryptionKeys {
  /** The key that new data keys of the domain are wrapped with, null when the domain has none. */
  abstract activeKeyId(domain: string): string | null;

  abstract state(keyId: string): KeyState;

  /** Every key that is known here, in a fixed order. */
  abstract list(): readonly { readonly domain: string; readonly keyId: string; readonly state: KeyState }[];

  /**
   * Encrypts a data key of 32 bytes with the active key of the domain.
   *
   * @param context whose data key it is; {@link unwrap} must be told the same
   * @throws BlobStorageError KEY_UNAVAILABLE when the domain has no active key
   */
  abstract wrap(domain: string, dataKey: Uint8Array, context: string): Promise<WrappedKey>;

  /**
   * @throws BlobStorageError KEY_UNAVAILABLE when the key is not here, OBJECT_TAMPERED when the wrapped key is not what
   * {@link wrap} gave for this domain and context
   */
  abstract unwrap(key: WrappedKey, context: string): Promise<Uint8Array>;
}
