import { createHash } from 'node:crypto';
import { type BlobStorage, BlobStorageError } from '@sluice/blob-storage';
import type { InventoryStore, ScanTarget, TargetBlob } from '@sluice/database';
import { type ImageManifest, isNonDistributableLayer, OciError, parseManifest } from '@sluice/domain/oci';
import {
  buildInventory,
  CATALOGER_VERSION,
  emptyLayerRecord,
  type Gap,
  type Inventory,
  type LayerRecord,
} from '@sluice/domain/sbom';
import type { LayerReader } from '@sluice/image-contents';
import { type Checkpoint, NO_CHECKPOINT, type WorkContext } from './context.ts';
import { CONFIG_SIZE_MAX, type DiffIds, readDiffIds } from './image-config.ts';
import type { ImageMatcher } from './image-matcher.ts';

export interface ScanRequest {
  readonly digest: string;
  readonly manifestId: string;
  readonly repositoryId: string;
}

/** What a scan had to do. Null counts nothing: the artifact is gone or is no image. */
export interface ScanSummary {
  /** Digests of the blobs that were read. */
  readonly read: readonly string[];
  /** Digests of the blobs whose records were there already. */
  readonly known: readonly string[];
}

type Descriptor = ImageManifest['layers'][number];

/**
 * Makes scan evidence of images: reads each layer that was not read before, merges, matches.
 *
 * What is wrong with the image itself becomes a state of its evidence; only faults of the infrastructure are thrown,
 * so that the job is tried again. Idempotent: layers that an attempt recorded are not read by the next.
 */
export class ArtifactScanner {
  readonly #inventories: InventoryStore;
  readonly #blobs: BlobStorage;
  readonly #layers: LayerReader;
  readonly #matcher: ImageMatcher;
  readonly #checkpoint: Checkpoint;

  constructor(
    inventories: InventoryStore,
    blobs: BlobStorage,
    layers: LayerReader,
    matcher: ImageMatcher,
    checkpoint: Checkpoint = NO_CHECKPOINT,
  ) {
    this.#inventories = inventories;
    this.#blobs = blobs;
    this.#layers = layers;
    this.#matcher = matcher;
    this.#checkpoint = checkpoint;
  }

  async scan(request: ScanRequest, context: WorkContext): Promise<ScanSummary | null> {
    const target = await this.#inventories.target(request.manifestId, CATALOGER_VERSION);
    if (target === null || target.kind !== 'image') return null;
    const work = new ScanWork(context);
    const inventory = await this.#inventory(target, work);
    await this.#checkpoint('scan.before-evidence');
    await this.#matcher.match(target.digest, inventory);
    await this.#checkpoint('scan.after-evidence');
    return { read: work.read, known: work.known };
  }

  /** An inventory without gaps needs no second look; one with gaps may have lost a blob that is back now. */
  async #inventory(target: ScanTarget, work: ScanWork): Promise<Inventory> {
    const { inventory: stored } = target;
    if (stored !== null && stored.gaps.length === 0) return stored;
    const manifest = imageManifestOf(target);
    if (manifest === null) return withGaps(buildInventory([]), ['the manifest is none of an image']);
    const diffIds = await this.#diffIds(manifest, target);
    work.expect(manifest.layers.reduce((sum, layer) => sum + layer.size, 0));
    const known = new Map(target.layers);
    const records: LayerRecord[] = [];
    for (const [position, layer] of manifest.layers.entries()) {
      work.signal.throwIfAborted();
      const expected = diffIds.kind === 'known' ? (diffIds.diffIds[position] ?? null) : null;
      records.push(checkDiffId(await this.#layer(layer, expected, target, known, work), expected));
      work.finish(layer.size);
    }
    return withGaps(buildInventory(records), diffIds.kind === 'unknown' ? [diffIds.reason] : []);
  }

  async #diffIds(manifest: ImageManifest, target: ScanTarget): Promise<DiffIds> {
    const blob = target.blobs.get(manifest.config.digest);
    if (blob === undefined) return { kind: 'unknown', reason: 'the configuration of the image is missing' };
    if (blob.sizeBytes > CONFIG_SIZE_MAX) {
      return {
        kind: 'unknown',
        reason: `the configuration of the image has ${blob.sizeBytes} bytes, at most ${CONFIG_SIZE_MAX} are read`,
      };
    }
    const content = await this.#readWhole(blob);
    return content === null
      ? {
          kind: 'unknown',
          reason: 'the registry has lost the configuration of the image, or its content changed',
        }
      : readDiffIds(content, manifest.layers.length);
  }

  async #layer(
    layer: Descriptor,
    expected: string | null,
    target: ScanTarget,
    known: Map<string, LayerRecord>,
    work: ScanWork,
  ): Promise<LayerRecord> {
    const blob = target.blobs.get(layer.digest);
    // What the registry need not have may have been read in another repository.
    const record =
      known.get(layer.digest) ??
      (blob === undefined ? await this.#inventories.layer(layer.digest, CATALOGER_VERSION) : null);
    if (record !== null) {
      work.known.push(layer.digest);
      return record;
    }
    if (blob !== undefined) return this.#readLayer(layer, blob, expected, known, work);
    return isNonDistributableLayer(layer.mediaType)
      ? emptyLayerRecord(
          expected ?? layer.digest,
          'partial',
          'the layer is not in the registry (non-distributable)',
        )
      : emptyLayerRecord(expected ?? layer.digest, 'corrupt', 'the layer is not in the registry');
  }

  async #readLayer(
    layer: Descriptor,
    blob: TargetBlob,
    expected: string | null,
    known: Map<string, LayerRecord>,
    work: ScanWork,
  ): Promise<LayerRecord> {
    const name = expected ?? layer.digest;
    try {
      const reading = await this.#layers.read(
        {
          digest: layer.digest,
          sizeBytes: blob.sizeBytes,
          mediaType: layer.mediaType,
          open: () => this.#blobs.read(blob.objectKey),
        },
        { signal: work.signal, onBytes: (count) => work.advance(count) },
      );
      work.read.push(layer.digest);
      if (reading.outcome === 'unreadable') return emptyLayerRecord(name, reading.state, reading.reason);
      await this.#inventories.saveLayer(layer.digest, reading.record);
      known.set(layer.digest, reading.record);
      await this.#checkpoint('scan.layer-recorded');
      return reading.record;
    } catch (error) {
      if (!isLost(error)) throw error;
      return emptyLayerRecord(name, 'corrupt', 'the registry has lost the content of the layer');
    }
  }

  /** Null when the bytes are gone or are not those of the digest. */
  async #readWhole(blob: TargetBlob): Promise<Buffer | null> {
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of await this.#blobs.read(blob.objectKey)) chunks.push(chunk as Uint8Array);
      const content = Buffer.concat(chunks);
      const [algorithm, hex] = blob.digest.split(':');
      return createHash(algorithm ?? '')
        .update(content)
        .digest('hex') === hex
        ? content
        : null;
    } catch (error) {
      if (isLost(error)) return null;
      throw error;
    }
  }
}

/** Counts what a scan does and tells its context. */
class ScanWork {
  readonly signal: AbortSignal;
  readonly read: string[] = [];
  readonly known: string[] = [];
  readonly #context: WorkContext;
  #total = 0;
  #finished = 0;
  #current = 0;

  constructor(context: WorkContext) {
    this.#context = context;
    this.signal = context.signal;
  }

  expect(bytes: number): void {
    this.#total = bytes;
  }

  /** Bytes of the layer that is being read; a layer may be read more than once and still counts once. */
  advance(bytes: number): void {
    this.#current += bytes;
    this.#context.progress(Math.min(this.#total, this.#finished + this.#current), this.#total, 'bytes');
  }

  finish(layerBytes: number): void {
    this.#finished += layerBytes;
    this.#current = 0;
    this.#context.progress(this.#finished, this.#total, 'bytes');
  }
}

function imageManifestOf(target: ScanTarget): ImageManifest | null {
  try {
    const manifest = parseManifest(target.content, target.mediaType);
    return manifest.form === 'image' ? manifest : null;
  } catch (error) {
    if (error instanceof OciError) return null;
    throw error;
  }
}

/** What the config says of a layer and what the layer is must be the same, or runtimes unpack something else. */
function checkDiffId(record: LayerRecord, expected: string | null): LayerRecord {
  if (expected === null || record.diffId === expected) return record;
  const reason = `the configuration of the image says that the layer unpacks to ${expected}, which it does not`;
  return { ...record, state: 'corrupt', reasons: [reason, ...record.reasons] };
}

function withGaps(inventory: Inventory, reasons: readonly string[]): Inventory {
  const gaps = reasons.map((reason): Gap => ({ kind: 'corrupt', reason }));
  return { ...inventory, gaps: [...gaps, ...inventory.gaps] };
}

/** Bytes that are gone do not come back by trying again; a storage that does not answer may. */
function isLost(error: unknown): boolean {
  return (
    error instanceof BlobStorageError && (error.code === 'OBJECT_MISSING' || error.code === 'UPLOAD_LOST')
  );
}
