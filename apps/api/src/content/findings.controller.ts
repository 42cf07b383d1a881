import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { Catalog, type FindingsPage, type ImageFinding } from '@sluice/catalog';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission, param } from '../access/permission.ts';
import { IdPipe } from '../http/ids.ts';
import { decodeCursor, encodeCursor, linkNext, type Page } from '../http/paging.ts';
import { findingCursor, listFindingsQuery } from './artifact.schemas.ts';

export interface FindingsView extends Page<ImageFinding> {
  /** How many match in all. */
  readonly total: number;
  /** The scans that the findings come from: without a complete one an empty list says nothing. */
  readonly scans: FindingsPage['scans'];
}

@Controller('artifacts/:artifactId/findings')
export class FindingsController {
  constructor(private readonly catalog: Catalog) {}

  @Get()
  @Permission('repository.read', param('artifactId', 'artifact'))
  async list(
    @Param('artifactId', new IdPipe('artifact')) id: string,
    @Query({ schema: listFindingsQuery }) query: z.output<typeof listFindingsQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<FindingsView> {
    const offset = query.after === undefined ? 0 : Number(decodeCursor(query.after, findingCursor));
    const filter = { severities: query.severity ?? null, fixable: query.fixable ?? null };
    const found = await this.catalog.findings(await this.catalog.artifact(id), filter, {
      offset,
      limit: query.limit,
    });
    const next = found.next === null ? null : encodeCursor(String(found.next));
    linkNext(request, reply, next);
    return { items: found.items, page: { next, limit: query.limit }, total: found.total, scans: found.scans };
  }
}
