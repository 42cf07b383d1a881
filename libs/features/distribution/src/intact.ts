import { type BlobStorage, BlobStorageError } from '@sluice/blob-storage';

/**
 * Whether the object that a blob stands on is there and can be read. That its bytes are the right ones is not looked at.
 *
 * @throws BlobStorageError when the storage cannot say
 */
export async function isIntact(
  storage: BlobStorage,
  { objectKey, sizeBytes }: { readonly objectKey: string; readonly sizeBytes: number },
): Promise<boolean> {
  try {
    return (await storage.size(objectKey)) === sizeBytes;
  } catch (error) {
    const isSure = error instanceof BlobStorageError && LOST.has(error.code);
    if (isSure) return false;
    throw error;
  }
}

const LOST: ReadonlySet<string> = new Set(['KEY_UNAVAILABLE', 'OBJECT_TAMPERED', 'OBJECT_MISSING']);
