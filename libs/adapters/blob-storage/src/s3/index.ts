export { S3BlobStorage } from './s3-blob-storage.ts';
export type { S3Options } from './s3-options.ts';
