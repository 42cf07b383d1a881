import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { listBucket } from '../../lib/s3-request.ts';
import type { Platform } from '../platform.ts';
import { startVersityGw } from '../s3-server.ts';

/** What lies in a blob storage, seen from outside. */
export interface Contents {
  /** Keys of finished objects. */
  readonly objects: readonly string[];
  /** Whatever belongs to unfinished uploads. */
  readonly unfinished: readonly string[];
}

/** Where the blobs of a platform under test are. */
export interface Store {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  contents(platform: Platform): Promise<Contents>;
  stop(): Promise<void>;
}

/** The data directory of the platform. */
export async function openDirectory(): Promise<Store> {
  return {
    name: 'fs',
    environment: {},
    contents: async (platform) => {
      const files = (area: string): string[] => {
        const root = join(platform.directory, 'data', 'blobs', area);
        return readdirSync(root, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
      };
      return { objects: files('blobs'), unfinished: files('uploads') };
    },
    stop: async () => undefined,
  };
}

/** A bucket of versitygw. */
export async function openS3(): Promise<Store> {
  const server = await startVersityGw();
  return {
    name: 's3',
    environment: server.environment,
    contents: async () => {
      const { objects, uploads } = await listBucket(server, server.bucket);
      const finished = objects.filter((key) => key.startsWith('blobs/blobs/'));
      return {
        objects: finished.map((key) => key.slice('blobs/blobs/'.length)),
        unfinished: [...uploads, ...objects.filter((key) => !finished.includes(key))],
      };
    },
    stop: () => server.stop(),
  };
}
