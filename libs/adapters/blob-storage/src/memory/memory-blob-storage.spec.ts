import { describeBlobStorage } from '../contract/index.ts';
import { MemoryBlobStorage } from './memory-blob-storage.ts';

describeBlobStorage('memory', async () => {
  const storage = new MemoryBlobStorage();
  return { storage, reopen: async () => storage, close: async () => undefined };
});
