import type { InventoryStore } from '@sluice/database';
import { CATALOGER_VERSION, type SbomSubject, toCycloneDx } from '@sluice/domain/sbom';

/** Serves bills of materials of scanned images. */
export class Sboms {
  readonly #inventories: InventoryStore;

  constructor(inventories: InventoryStore) {
    this.#inventories = inventories;
  }

  /** The CycloneDX 1.6 document of an image as JSON text; null when the image was not scanned (yet). */
  async cycloneDx(subject: SbomSubject): Promise<string | null> {
    const inventory = await this.#inventories.inventory(subject.digest, CATALOGER_VERSION);
    return inventory === null ? null : JSON.stringify(toCycloneDx(inventory, subject));
  }
}
