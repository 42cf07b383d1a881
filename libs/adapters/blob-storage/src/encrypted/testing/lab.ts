import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { AppendResult, BlobStorage, ObjectRange, StoredUpload } from '../../blob-storage.ts';
import { BlobStorageError } from '../../errors.ts';
import { MemoryBlobStorage } from '../../memory/index.ts';
import { EncryptedBlobStorage } from '../encrypted-blob-storage.ts';
import { FileKeys } from '../key-file.ts';
import { MemoryKeyEnvelopes } from '../memory-key-envelopes.ts';

/** A storage in memory that remembers what it was asked and can be tampered with. */
export class WatchedStorage extends MemoryBlobStorage {
  /** What every append wrote. */
  readonly written: Buffer[] = [];
  readonly ranges: (ObjectRange | undefined)[] = [];
  /** An append fails when it has taken so many bytes. */
  fullAfter = Infinity;
  /** Called before an upload is finished, to fail. */
  beforeFinish: () => void = () => undefined;

  override async append(upload: StoredUpload, body: AsyncIterable<Uint8Array>): Promise<AppendResult> {
    const chunks: Uint8Array[] = [];
    let left = this.fullAfter;
    async function* copied(): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        left -= chunk.length;
        if (left < 0) return;
        chunks.push(Buffer.from(chunk));
        yield chunk;
      }
    }
    if (this.fullAfter < Infinity) {
      await super.append(upload, copied());
      throw new BlobStorageError('STORAGE_FULL', 'the blob storage is full');
    }
    const result = await super.append(upload, copied());
    this.written.push(Buffer.concat(chunks));
    return result;
  }

  override async finish(upload: StoredUpload): Promise<void> {
    this.beforeFinish();
    await super.finish(upload);
  }

  override async read(key: string, range?: ObjectRange) {
    this.ranges.push(range);
    return super.read(key, range);
  }

  async bytes(key: string): Promise<Buffer> {
    return buffer(await super.read(key));
  }

  async replace(key: string, bytes: Uint8Array): Promise<void> {
    await this.delete(key);
    const { offset, state } = await super.append({ key, offset: 0, state: null }, from([bytes]));
    await super.finish({ key, offset, state });
  }
}

/** Encrypted storage over one that is watched. */
export class EncryptionLab {
  readonly below = new WatchedStorage();
  readonly envelopes: MemoryKeyEnvelopes;
  readonly keys: FileKeys;
  readonly storage: EncryptedBlobStorage;

  constructor(
    keys: FileKeys = keyFile({ k1: 'active' }),
    envelopes: MemoryKeyEnvelopes = new MemoryKeyEnvelopes(),
  ) {
    this.keys = keys;
    this.envelopes = envelopes;
    this.storage = this.replica();
  }

  /** Another process on the same state, which remembers nothing. */
  replica(keys: FileKeys = this.keys): EncryptedBlobStorage {
    return EncryptedBlobStorage.over(this.below, keys, this.envelopes);
  }

  begin(): StoredUpload {
    return { key: this.storage.newKey(), offset: 0, state: null };
  }

  async append(upload: StoredUpload, ...chunks: Uint8Array[]): Promise<StoredUpload> {
    // As the database keeps it.
    const kept = JSON.parse(JSON.stringify(upload)) as StoredUpload;
    const { offset, state } = await this.replica().append(kept, from(chunks));
    return { key: upload.key, offset, state };
  }

  async store(...appends: Uint8Array[]): Promise<string> {
    let upload = this.begin();
    for (const bytes of appends) upload = await this.append(upload, bytes);
    await this.replica().finish(upload);
    return upload.key;
  }

  async read(key: string, range?: ObjectRange, storage: BlobStorage = this.replica()): Promise<Buffer> {
    return buffer(await storage.read(key, range));
  }

  /** What comes out of a read before it ends or fails, and why it failed. */
  async readUntilFailure(key: string, range?: ObjectRange): Promise<{ bytes: Buffer; failure: unknown }> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of await this.replica().read(key, range)) chunks.push(chunk as Buffer);
      return { bytes: Buffer.concat(chunks), failure: null };
    } catch (failure) {
      return { bytes: Buffer.concat(chunks), failure };
    }
  }
}

export function keyFile(states: Readonly<Record<string, 'active' | 'reading'>>, secrets = SECRETS): FileKeys {
  return FileKeys.of({
    keys: Object.entries(states).map(([id, state]) => ({
      id,
      domain: '',
      state,
      secret: (secrets[id] ??= randomBytes(32)),
    })),
  });
}

const SECRETS: Record<string, Buffer> = {};

export async function* from(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
