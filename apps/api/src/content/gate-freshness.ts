import { VerdictFreshness } from '@sluice/catalog';
import type { Verdicts } from '@sluice/gate';

/** The gate judges, so it knows whether what is stored is still what it would say. */
export class GateFreshness extends VerdictFreshness {
  readonly #verdicts: Verdicts;

  constructor(verdicts: Verdicts) {
    super();
    this.#verdicts = verdicts;
  }

  async isCurrent(artifactId: string): Promise<boolean> {
    return (await this.#verdicts.explain(artifactId))?.isCurrent ?? true;
  }
}
