import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { AuditTrail } from '@sluice/database';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { defined } from '../http/optional.ts';
import {
  auditCursor,
  type AuditEventView,
  listAuditEventsQuery,
  presentAuditEvent,
} from './record.schemas.ts';

/** What was done and refused, newest first. */
@Controller('audit-events')
export class AuditEventsController {
  constructor(private readonly trail: AuditTrail) {}

  @Get()
  @Permission('admin.audit')
  async list(
    @Query({ schema: listAuditEventsQuery }) query: z.output<typeof listAuditEventsQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<AuditEventView>> {
    const { limit: _limit, after: _after, ...filter } = query;
    const result = await page(query, {
      fetch: (after, limit) =>
        this.trail.list({ ...defined(filter), after: after === null ? null : Number(after), limit }),
      keyOf: ({ event }) => String(event.seq),
      cursor: auditCursor,
      present: presentAuditEvent,
    });
    linkNext(request, reply, result.page.next);
    return result;
  }
}
