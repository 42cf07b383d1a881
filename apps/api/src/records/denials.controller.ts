import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { DenialList } from '@sluice/database';
import { AccessError, type Caller } from '@sluice/domain/access';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { Permission } from '../access/permission.ts';
import { CurrentCaller } from '../access/request-context.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { PublicUrl } from '../http/public-url.ts';
import { defined } from '../http/optional.ts';
import { type DenialView, listDenialsQuery, presentDenial } from './record.schemas.ts';

/** Pulls that a verdict refused. */
@Controller('denials')
export class DenialsController {
  constructor(
    private readonly denials: DenialList,
    private readonly authorizer: Authorizer,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get()
  @Permission('signed-in')
  async list(
    @Query({ schema: listDenialsQuery }) query: z.output<typeof listDenialsQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<DenialView>> {
    const under = await this.#authorize(caller, query);
    const { limit: _limit, after: _after, node: _node, ...filter } = query;
    const result = await page(query, {
      fetch: (after, limit) => this.denials.list({ ...defined({ ...filter, under }), after, limit }),
      keyOf: (denial) => denial.id,
      cursor: z.uuid(),
      present: (denial) => presentDenial(denial, this.publicUrl.value),
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  /**
   * Whoever names a repository or a node needs a right there; only administrators see everything. Returns the path of
   * the node.
   */
  async #authorize(caller: Caller, query: z.output<typeof listDenialsQuery>): Promise<string | undefined> {
    const { repository, node } = query;
    if (repository !== undefined) {
      await this.authorizer.require(caller, 'denial.read', { repository }, repository, 'repository');
    }
    if (node !== undefined) {
      return (await this.authorizer.require(caller, 'denial.read', nodeTarget(node))).node?.path ?? node;
    }
    if (repository === undefined && !(await this.authorizer.allows(caller, 'admin.audit', null))) {
      throw new AccessError('denied', 'name a repository or a node: only administrators see all denials');
    }
    return undefined;
  }
}
