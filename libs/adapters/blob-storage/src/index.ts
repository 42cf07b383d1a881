export {
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type StorageState,
  type StoredUpload,
} from './blob-storage.ts';
export { BlobStorageError, type BlobStorageErrorCode } from './errors.ts';
