export { type BlobStorageHarness, describeBlobStorage } from './blob-storage-contract.ts';
