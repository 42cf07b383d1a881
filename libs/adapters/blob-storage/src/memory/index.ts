export { MemoryBlobStorage } from './memory-blob-storage.ts';
