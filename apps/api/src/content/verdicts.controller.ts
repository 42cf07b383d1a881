import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { Catalog } from '@sluice/catalog';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Permission, param } from '../access/permission.ts';
import { prefersText } from '../http/accept.ts';
import { IdPipe } from '../http/ids.ts';
import { PublicUrl } from '../http/public-url.ts';
import { presentVerdict, type VerdictView } from './artifact.schemas.ts';
import { explainVerdict } from './explain-verdict.ts';

/** Refused pulls name this resource, so that it is opened by browsers and by people with curl. */
@Controller('verdicts')
export class VerdictsController {
  constructor(
    private readonly catalog: Catalog,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get(':verdictId')
  @Permission('repository.read', param('verdictId', 'verdict'))
  async get(
    @Param('verdictId', new IdPipe('verdict')) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerdictView | string> {
    const view = presentVerdict(await this.catalog.verdict(id), this.publicUrl.value);
    // Names of packages and reasons come from what was pushed: nobody may take them for a page.
    void reply.header('vary', 'accept, authorization').header('x-content-type-options', 'nosniff');
    if (!prefersText(request.headers.accept)) return view;
    void reply.type('text/plain; charset=utf-8');
    return explainVerdict(view);
  }
}
