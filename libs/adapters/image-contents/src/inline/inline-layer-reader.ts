import { createHash, type Hash } from 'node:crypto';
import { CATALOGER_VERSION, type LayerRecord } from '@sluice/domain/sbom';
import { LayerError } from '../errors.ts';
import { type LayerBlob, LayerReader, type LayerReading, type ReadLayerOptions } from '../layer-reader.ts';
import { DEFAULT_LIMITS, type LayerLimits } from '../limits.ts';
import { TarParser } from '../tar/tar-parser.ts';
import { decompress } from '../layer/decompress.ts';
import { type LayerCatalog, LayerCataloger } from '../layer/layer-cataloger.ts';

/** Reads layers in the calling thread. The thread pool runs one of these in each of its workers. */
export class InlineLayerReader extends LayerReader {
  readonly #limits: LayerLimits;

  constructor(limits: Partial<LayerLimits> = {}) {
    super();
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  async read(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerReading> {
    try {
      return { outcome: 'cataloged', record: await this.#catalog(blob, options) };
    } catch (error) {
      if (!(error instanceof LayerError)) throw error;
      const state = error.code === 'LAYER_CORRUPT' ? 'corrupt' : 'partial';
      return { outcome: 'unreadable', state, reason: error.message };
    }
  }

  async close(): Promise<void> {}

  async #catalog(blob: LayerBlob, options: ReadLayerOptions): Promise<LayerRecord> {
    const cataloger = new LayerCataloger(this.#limits);
    const first = await this.#pass(blob, cataloger, options);
    let fault = first.fault;
    let isIncomplete = cataloger.endPass();
    for (let pass = 2; isIncomplete && fault === null && pass <= this.#limits.maxPasses; pass += 1) {
      fault = (await this.#pass(blob, cataloger, options)).fault;
      isIncomplete = cataloger.endPass();
    }
    return recordOf(cataloger.finish(), first, fault);
  }

  /** A fault of the archive ends the parsing but not the reading, because the DiffID is that of all bytes. */
  async #pass(blob: LayerBlob, cataloger: LayerCataloger, options: ReadLayerOptions): Promise<Pass> {
    const digest = new DigestCheck(blob);
    const diffId = createHash('sha256');
    const parser = new TarParser(cataloger, this.#limits);
    let fault: LayerError | null = null;
    let sizeBytes = 0;
    for await (const chunk of decompress(digest.watch(await blob.open(), options), blob.mediaType)) {
      options.signal.throwIfAborted();
      sizeBytes += chunk.length;
      this.#checkSize(sizeBytes, digest.sizeBytes);
      diffId.update(chunk);
      fault ??= attempt(() => parser.write(chunk));
    }
    digest.verify();
    fault ??= attempt(() => parser.end());
    return { diffId: `sha256:${diffId.digest('hex')}`, sizeBytes, fault };
  }

  #checkSize(sizeBytes: number, compressedBytes: number): void {
    const { maxUncompressedBytes, maxRatio, ratioFreeBytes } = this.#limits;
    if (sizeBytes > maxUncompressedBytes) {
      throw new LayerError(
        'LAYER_LIMIT',
        `the layer has more than ${maxUncompressedBytes} bytes uncompressed`,
      );
    }
    if (sizeBytes > ratioFreeBytes && sizeBytes > compressedBytes * maxRatio) {
      throw new LayerError(
        'LAYER_LIMIT',
        `the layer grows to more than ${maxRatio} times its compressed size, as a decompression bomb does`,
      );
    }
  }
}

interface Pass {
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly fault: LayerError | null;
}

/** Hashes the blob while it flows by. */
class DigestCheck {
  readonly #blob: LayerBlob;
  readonly #hash: Hash;
  sizeBytes = 0;

  constructor(blob: LayerBlob) {
    this.#blob = blob;
    this.#hash = createHash(blob.digest.slice(0, blob.digest.indexOf(':')));
  }

  async *watch(
    source: AsyncIterable<Uint8Array>,
    options: ReadLayerOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      this.sizeBytes += chunk.length;
      this.#hash.update(chunk);
      options.onBytes?.(chunk.length);
      yield chunk;
    }
  }

  verify(): void {
    const expected = this.#blob.digest.slice(this.#blob.digest.indexOf(':') + 1);
    if (this.#hash.digest('hex') !== expected) {
      throw new LayerError(
        'LAYER_CORRUPT',
        `the content of the blob does not have the digest ${this.#blob.digest}`,
      );
    }
  }
}

function attempt(action: () => void): LayerError | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof LayerError) return error;
    throw error;
  }
}

function recordOf(catalog: LayerCatalog, pass: Pass, fault: LayerError | null): LayerRecord {
  const reasons = fault === null ? catalog.reasons : [fault.message, ...catalog.reasons];
  return {
    ...catalog,
    diffId: pass.diffId,
    catalogerVersion: CATALOGER_VERSION,
    state: fault?.code === 'LAYER_CORRUPT' ? 'corrupt' : reasons.length > 0 ? 'partial' : 'complete',
    reasons,
    sizeBytes: pass.sizeBytes,
  };
}
