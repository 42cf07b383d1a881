import type { AdvisoryStore, InventoryStore } from '@sluice/database';
import { CATALOGER_VERSION } from '@sluice/domain/sbom';
import type { WorkContext } from './context.ts';
import type { ImageMatcher } from './image-matcher.ts';

const PAGE = 200;

/** Brings the evidence of images up to newer advisories, without reading any layer. */
export class AdvisoryRematcher {
  readonly #advisories: AdvisoryStore;
  readonly #inventories: InventoryStore;
  readonly #matcher: ImageMatcher;

  constructor(advisories: AdvisoryStore, inventories: InventoryStore, matcher: ImageMatcher) {
    this.#advisories = advisories;
    this.#inventories = inventories;
    this.#matcher = matcher;
  }

  /**
   * Matches the images again that have a package which imports since the last call touched, and those for whose
   * ecosystems there was no data. Covers every revision that is there, so that one call makes up for missed ones.
   *
   * @returns how many images were matched
   */
  async rematch(context: WorkContext): Promise<number> {
    const { revision, rematchedRevision } = await this.#advisories.status();
    if (revision <= rematchedRevision) return 0;
    let matched = 0;
    let after: string | null = null;
    for (;;) {
      const digests = await this.#advisories.touchedDigests(revision, after, PAGE);
      for (const digest of digests) {
        context.signal.throwIfAborted();
        // An inventory of another version of the cataloger is made anew when its image is scanned.
        const inventory = await this.#inventories.inventory(digest, CATALOGER_VERSION);
        if (inventory !== null) await this.#matcher.match(digest, inventory);
        matched += 1;
        context.progress(matched, null, 'images');
      }
      after = digests.at(-1) ?? null;
      if (digests.length < PAGE) break;
    }
    await this.#advisories.noteRematched(revision);
    return matched;
  }
}
