import type { AdvisorySource } from '@sluice/database';
import { z } from 'zod';
import { pageParameters } from '../http/paging.ts';
import { searchWord } from '../http/validation.ts';

export const importAdvisoriesQuery = z.strictObject({
  /** What people call the file, e.g. `Debian/all.zip`. */
  name: searchWord().default('all.zip'),
});

export const listAdvisorySourcesQuery = z.strictObject(pageParameters);

export interface AdvisorySourceView {
  readonly ecosystem: string;
  readonly records: number;
  /** When the newest record was modified. */
  readonly newest: string | null;
  readonly importedAt: string | null;
}

export function presentAdvisorySource(source: AdvisorySource): AdvisorySourceView {
  return {
    ecosystem: source.ecosystem,
    records: source.records,
    newest: source.newest?.toISOString() ?? null,
    importedAt: source.importedAt?.toISOString() ?? null,
  };
}
