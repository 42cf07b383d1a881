import type { NodeTarget } from '@sluice/database';
import type { ResourceKind } from '../http/ids.ts';

/** Where a resource lies: its node, and its repository when it belongs to one. */
export interface Location {
  readonly target: NodeTarget;
  readonly repository: string | null;
}

/** Finds the place of a resource by its UUID; null when there is none. Cheap: it runs before every request. */
export type Locator = (uuid: string) => Promise<Location | null>;

/** One locator for every kind of id that stands in a path together with `@Permission(…, param(…))`. */
export class Locators {
  readonly #locators: Partial<Record<ResourceKind, Locator>>;

  constructor(locators: Partial<Record<ResourceKind, Locator>>) {
    this.#locators = { group: byNode, project: byNode, ...locators };
  }

  locate(kind: ResourceKind, uuid: string): Promise<Location | null> {
    const locator = this.#locators[kind];
    if (locator === undefined)
      throw new Error(`no locator for ids of kind ${kind}: add one where the module is made`);
    return locator(uuid);
  }
}

const byNode: Locator = async (uuid) => ({ target: { id: uuid }, repository: null });
