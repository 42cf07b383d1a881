import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBlobStorage } from '../contract/index.ts';
import { FsBlobStorage } from '../fs/index.ts';
import { MemoryBlobStorage } from '../memory/index.ts';
import { EncryptedBlobStorage } from './encrypted-blob-storage.ts';
import { FileKeys } from './key-file.ts';
import { MemoryKeyEnvelopes } from './memory-key-envelopes.ts';

const keys = FileKeys.of({
  keys: [{ id: 'k1', domain: '', state: 'active', secret: randomBytes(32) }],
});

describeBlobStorage('encrypted over memory', async () => {
  const [below, envelopes] = [new MemoryBlobStorage(), new MemoryKeyEnvelopes()];
  const open = (): EncryptedBlobStorage => EncryptedBlobStorage.over(below, keys, envelopes);
  return { storage: open(), reopen: async () => open(), close: async () => undefined };
});

describeBlobStorage('encrypted over a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-encrypted-'));
  const envelopes = new MemoryKeyEnvelopes();
  const open = async (): Promise<EncryptedBlobStorage> =>
    EncryptedBlobStorage.over(await FsBlobStorage.open(directory), keys, envelopes);
  return { storage: await open(), reopen: open, close: () => rm(directory, { recursive: true }) };
});
