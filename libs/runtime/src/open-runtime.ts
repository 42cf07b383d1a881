import type { BlobStorage, KeyEncryptionKeys } from '@sluice/blob-storage';
import {
  type ConfigOf,
  type databaseSettings,
  Health,
  type Logger,
  Metrics,
  type processSettings,
} from '@sluice/platform';
import { type Blobs, type BlobsConfig, openBlobs } from './blobs.ts';
import { encryptBlobs } from './encrypt-blobs.ts';
import { type Checkpoint, checkpointFor } from './fault-points.ts';
import { type RedisPlace, redisPlaceOf } from './redis-place.ts';
import { openState, type State } from './state.ts';
import { type Limits, type LimitsConfig, openLimits } from './limits.ts';
import { openStores, type Stores } from './stores.ts';

export type RuntimeConfig = ConfigOf<typeof processSettings> &
  ConfigOf<typeof databaseSettings> &
  BlobsConfig &
  Partial<LimitsConfig>;

/** What every process has before it does anything of its own. Whoever opened it closes it last. */
export interface Runtime {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly state: State;
  readonly stores: Stores;
  readonly blobs: BlobStorage;
  /** What `blobs` are encrypted under; null when they are not. */
  readonly storageKeys: KeyEncryptionKeys | null;
  readonly checkpoint: Checkpoint;
  /** Null without one. */
  readonly redis: RedisPlace | null;
  /** How often clients may call; null in a process that has none. */
  readonly limits: Limits | null;
  close(): Promise<void>;
}

/** Where a process that shares its state with no other keeps it. */
export interface OwnDirectories {
  readonly postgres: string;
  readonly blobs: string;
}

export interface RuntimeOptions {
  /** Null in processes that share their state with others. */
  readonly own: OwnDirectories | null;
  /** Whether the process serves pulls, which are answered from memory. */
  readonly servesPulls: boolean;
}

/**
 * Opens database, blob storage and stores.
 *
 * @throws StartError when something outside keeps it from starting
 */
export async function openRuntime(
  config: RuntimeConfig,
  logger: Logger,
  { own, servesPulls }: RuntimeOptions,
): Promise<Runtime> {
  const redis = redisPlaceOf(config);
  const state = await openState(
    { databaseUrl: config.databaseUrl, embeddedDirectory: own?.postgres ?? null, servesPulls },
    logger,
  );
  let blobs: Blobs | null = null;
  try {
    const opened = await openBlobs(config, own?.blobs ?? null);
    blobs = opened;
    const checkpoint = checkpointFor(config.faultPoint, logger);
    const stores = await openStores(state, logger, checkpoint);
    const health = new Health();
    health.add({ name: 'database', check: () => state.check() });
    health.add({ name: 'blob-storage', check: () => opened.check() });
    const { storage, keys } = await encryptBlobs(config, opened.storage, stores.objectKeyEnvelopes);
    const limits = hasClients(config) ? openLimits(config, redis, logger) : null;
    return assemble(
      { logger, health, state, stores, checkpoint, redis, limits, storageKeys: keys },
      { ...opened, storage },
    );
  } catch (error) {
    await blobs?.close();
    await state.close();
    throw error;
  }
}

function hasClients(config: RuntimeConfig): config is RuntimeConfig & LimitsConfig {
  return config.rateLimitAddress !== undefined;
}

function assemble(parts: Omit<Runtime, 'metrics' | 'blobs' | 'close'>, blobs: Blobs): Runtime {
  return {
    ...parts,
    metrics: new Metrics(),
    blobs: blobs.storage,
    close: async () => {
      parts.limits?.close();
      await parts.stores.denialLog.close();
      await blobs.close();
      await parts.state.close();
    },
  };
}
