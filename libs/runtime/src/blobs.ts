import { mkdir, statfs } from 'node:fs/promises';
import type { BlobStorage } from '@sluice/blob-storage';
import { FsBlobStorage } from '@sluice/blob-storage/fs';
import { S3BlobStorage } from '@sluice/blob-storage/s3';
import type { blobSettings, ConfigOf } from '@sluice/platform';
import { StartError } from './start-error.ts';

/** Readiness ends before the last bytes do, so that a load balancer can send pushes elsewhere. */
const DISK_RESERVE_BYTES = 64 * 1_048_576;

export type BlobsConfig = ConfigOf<typeof blobSettings>;

/** Blob storage as the configuration names it, for the life of a process. */
export interface Blobs {
  readonly storage: BlobStorage;
  /** Rejects with the reason when nothing more can be written or read: a check of `/readyz`. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the blob storage of the configuration: the one place that knows every technology.
 *
 * @param defaultDirectory where blobs lie when the configuration names no storage; null in processes that share theirs
 * @throws StartError when it cannot be used
 */
export async function openBlobs(config: BlobsConfig, defaultDirectory: string | null): Promise<Blobs> {
  const { blobStore } = config;
  if (blobStore?.kind === 's3') return openS3(config, blobStore);
  const directory = blobStore?.path ?? defaultDirectory;
  if (directory === null) throw new StartError('no blob storage is configured: set SLUICE_BLOB_STORE');
  return openDirectory(directory);
}

async function openS3(
  { s3AccessKey, s3SecretKey }: BlobsConfig,
  location: Extract<BlobsConfig['blobStore'], { kind: 's3' }>,
): Promise<Blobs> {
  if (s3AccessKey === undefined || s3SecretKey === undefined) {
    throw new StartError(
      `blob storage s3://${location.bucket} needs keys: set SLUICE_S3_ACCESS_KEY and SLUICE_S3_SECRET_KEY`,
    );
  }
  try {
    const options = { ...location, accessKey: s3AccessKey, secretKey: s3SecretKey };
    const storage = await S3BlobStorage.open(options);
    return { storage, check: () => storage.check(), close: async () => storage.close() };
  } catch (cause) {
    throw new StartError(
      `blob storage s3://${location.bucket} is not usable: ${(cause as Error).message}`,
      undefined,
      { cause },
    );
  }
}

async function openDirectory(directory: string): Promise<Blobs> {
  try {
    await mkdir(directory, { recursive: true });
    return {
      storage: await FsBlobStorage.open(directory),
      check: () => checkDisk(directory),
      close: async () => {},
    };
  } catch (cause) {
    throw new StartError(`blob storage ${directory} is not usable: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}

async function checkDisk(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < DISK_RESERVE_BYTES) throw new Error(`${directory} is full`);
}
