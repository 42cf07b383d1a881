import type { InventoryStore } from '@sluice/database';
import { CATALOGER_VERSION, type Inventory } from '@sluice/domain/sbom';
import { ecosystemsOf, evaluateScan, lookupKeys } from '@sluice/domain/vulnerability';

const ENGINE = `sluice-scanner/${CATALOGER_VERSION}`;

/** Matches inventories against the advisories and keeps the result as evidence. The only writer of scan evidence. */
export class ImageMatcher {
  readonly #inventories: InventoryStore;
  readonly #now: () => Date;

  constructor(inventories: InventoryStore, now: () => Date = () => new Date()) {
    this.#inventories = inventories;
    this.#now = now;
  }

  /** Keeps the inventory of an image and what the newest advisories say of it. Reads no layer. */
  async match(digest: string, inventory: Inventory): Promise<void> {
    const request = {
      digest,
      inventory,
      keys: lookupKeys(inventory),
      ecosystems: ecosystemsOf(inventory),
    };
    await this.#inventories.record(request, (rows, coverage) => {
      const { uncovered, ...result } = evaluateScan(inventory, rows, coverage);
      const scannedAt = this.#now().toISOString();
      return { evidence: { kind: 'scan', ...result, engine: ENGINE, scannedAt }, uncovered };
    });
  }
}
