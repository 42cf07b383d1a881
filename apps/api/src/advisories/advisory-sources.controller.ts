import { Controller, Get, Query } from '@nestjs/common';
import { AdvisoryStore } from '@sluice/database';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { type Page, page } from '../http/paging.ts';
import { searchWord } from '../http/validation.ts';
import {
  type AdvisorySourceView,
  listAdvisorySourcesQuery,
  presentAdvisorySource,
} from './advisory.schemas.ts';

/** What images are matched against. Everybody who is signed in may know how fresh that is. */
@Controller('advisory-sources')
export class AdvisorySourcesController {
  constructor(private readonly advisories: AdvisoryStore) {}

  @Get()
  @Permission('signed-in')
  async list(
    @Query({ schema: listAdvisorySourcesQuery }) query: z.output<typeof listAdvisorySourcesQuery>,
  ): Promise<Page<AdvisorySourceView>> {
    const sources = (await this.advisories.sources()).toSorted((a, b) =>
      a.ecosystem < b.ecosystem ? -1 : 1,
    );
    return page(query, {
      // There are dozens of ecosystems at most: what is counted is counted for all of them.
      fetch: async (after, limit) =>
        sources.filter(({ ecosystem }) => after === null || ecosystem > after).slice(0, limit),
      keyOf: (source) => source.ecosystem,
      cursor: searchWord(),
      present: presentAdvisorySource,
    });
  }
}
