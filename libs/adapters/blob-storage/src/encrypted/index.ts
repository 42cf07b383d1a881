export { EncryptedBlobStorage } from './encrypted-blob-storage.ts';
export { FileKeys, readKeyFile } from './key-file.ts';
export { activateKey, addKey, destroyKey, writeKeyFile } from './key-file-changes.ts';
export { type KeyFileContent, KeyFileError, parseKeyFile } from './key-file-content.ts';
export { MemoryKeyEnvelopes } from './memory-key-envelopes.ts';
