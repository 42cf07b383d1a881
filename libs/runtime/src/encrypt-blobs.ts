import type { BlobStorage, KeyEncryptionKeys } from '@sluice/blob-storage';
import { EncryptedBlobStorage, FileKeys, KeyFileError } from '@sluice/blob-storage/encrypted';
import type { ObjectKeyEnvelopes } from '@sluice/database';
import { missingKeys } from '@sluice/storage-keys';
import type { BlobsConfig } from './blobs.ts';
import { StartError } from './start-error.ts';

export interface EncryptedBlobs {
  readonly storage: BlobStorage;
  /** Null when encryption is off. */
  readonly keys: KeyEncryptionKeys | null;
}

/**
 * Puts encryption over the blob storage when the configuration names a key file.
 *
 * @throws StartError when the key file is not usable, or something that is stored needs a key that is not there
 */
export async function encryptBlobs(
  { encryptionKeyFile }: Pick<BlobsConfig, 'encryptionKeyFile'>,
  storage: BlobStorage,
  envelopes: ObjectKeyEnvelopes,
): Promise<EncryptedBlobs> {
  const keys = encryptionKeyFile === undefined ? null : await openKeys(encryptionKeyFile);
  const missing = await missingKeys(envelopes, keys);
  if (missing !== null) throw new StartError(missing);
  return keys === null
    ? { storage, keys }
    : { storage: EncryptedBlobStorage.over(storage, keys, envelopes), keys };
}

async function openKeys(path: string): Promise<FileKeys> {
  try {
    return await FileKeys.open(path);
  } catch (cause) {
    if (!(cause instanceof KeyFileError)) throw cause;
    throw new StartError(`${cause.message} (SLUICE_ENCRYPTION_KEY_FILE)`, undefined, { cause });
  }
}
