export {
  type AppendOptions,
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type SendsItself,
  sendsItself,
  type SignsUrls,
  signsUrls,
  type WantsLongChunks,
  wantsLongChunks,
  type StorageState,
  type StoredUpload,
} from './blob-storage.ts';
export { BlobStorageError, type BlobStorageErrorCode } from './errors.ts';
export {
  KeyEncryptionKeys,
  type KeyState,
  SHARED_KEY_DOMAIN,
  type WrappedKey,
} from './key-encryption-keys.ts';
export { type KeyEnvelope, KeyEnvelopes } from './key-envelopes.ts';
export { lendChunk, releaseChunk } from './lent-chunks.ts';
