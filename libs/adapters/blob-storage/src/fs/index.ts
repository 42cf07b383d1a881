export { FsBlobStorage } from './fs-blob-storage.ts';
