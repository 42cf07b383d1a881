import type { Catalog } from '@sluice/catalog';
import type { Locator } from '../access/locators.ts';

/** Where repositories, artifacts and verdicts lie. */
export function contentLocators(catalog: Catalog): Record<'repository' | 'artifact' | 'verdict', Locator> {
  const locator =
    (kind: 'repository' | 'artifact' | 'verdict'): Locator =>
    async (uuid) => {
      const place = await catalog.locate(kind, uuid);
      return place === null ? null : { target: { id: place.projectId }, repository: place.repository };
    };
  return {
    repository: locator('repository'),
    artifact: locator('artifact'),
    verdict: locator('verdict'),
  };
}
