export {
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type SendsItself,
  sendsItself,
  type StorageState,
  type StoredUpload,
} from './blob-storage.ts';
export { BlobStorageError, type BlobStorageErrorCode } from './errors.ts';
