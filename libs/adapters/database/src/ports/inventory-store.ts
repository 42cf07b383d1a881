import type { ArtifactKind, Digest } from '@sluice/domain/oci';
import type { ScanEvidence } from '@sluice/domain/policy';
import type { Inventory, LayerRecord } from '@sluice/domain/sbom';
import type { AdvisoryCoverage, AdvisoryRow, PackageKey } from '@sluice/domain/vulnerability';

/** A blob that a manifest names and the registry has. */
export interface TargetBlob {
  readonly digest: Digest;
  readonly objectKey: string;
  readonly sizeBytes: number;
}

/** What is to be scanned. */
export interface ScanTarget {
  readonly digest: Digest;
  readonly kind: ArtifactKind;
  readonly mediaType: string;
  readonly content: Buffer;
  /** By digest. Blobs of layers that the registry need not have may be missing. */
  readonly blobs: ReadonlyMap<string, TargetBlob>;
  /** What an earlier scan found; null when there was none of this cataloger version. */
  readonly inventory: Inventory | null;
  /** Records of those of the blobs that were read before. Left out when the inventory lacks nothing. */
  readonly layers: ReadonlyMap<string, LayerRecord>;
}

/** An image to be matched, and under which names. */
export interface MatchRequest {
  readonly digest: string;
  readonly inventory: Inventory;
  readonly keys: readonly PackageKey[];
  readonly ecosystems: readonly string[];
}

/** What a match gives: the evidence, and what could not be matched for want of data. */
export interface MatchOutcome {
  readonly evidence: ScanEvidence;
  readonly uncovered: readonly string[];
}

/** Decides from one moment's advisories. Must be pure and quick: a transaction waits for it. */
export type MatchFunction = (rows: readonly AdvisoryRow[], coverage: AdvisoryCoverage) => MatchOutcome;

/** Keeps what scans found: records of layers, inventories of images, and through them the scan evidence. */
export abstract class InventoryStore {
  /** Null when the artifact was deleted meanwhile. */
  abstract target(manifestId: string, catalogerVersion: number): Promise<ScanTarget | null>;

  /** The record of a layer that was read before, by the digest of its blob; null when it was not. */
  abstract layer(blobDigest: string, catalogerVersion: number): Promise<LayerRecord | null>;

  /** Keeps a record for every blob with these uncompressed bytes. May be repeated. */
  abstract saveLayer(blobDigest: string, record: LayerRecord): Promise<void>;

  /** The inventory of an image, null when there is none of that cataloger version. */
  abstract inventory(digest: string, catalogerVersion: number): Promise<Inventory | null>;

  /**
   * Matches an image and keeps inventory and evidence, in one transaction.
   *
   * `match` sees the advisories of the newest revision, and no import commits until its result is written: evidence
   * is never older than the advisories. Writes `evidence.changed` when the evidence changed.
   */
  abstract record(request: MatchRequest, match: MatchFunction): Promise<void>;
}
