import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { JobLedger } from '@sluice/database';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { hangUpSignal } from '../http/hang-up.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { decodeCursor, encodeCursor, linkNext, type Page } from '../http/paging.ts';
import { jobQuery, type JobView, listJobsQuery, presentJob } from './job.schemas.ts';
import { waitForJob } from './wait-for-job.ts';

@Controller('jobs')
export class JobsController {
  constructor(private readonly ledger: JobLedger) {}

  @Get()
  @Permission('admin.jobs')
  async list(
    @Query({ schema: listJobsQuery }) query: z.output<typeof listJobsQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<JobView>> {
    const { kind, state } = query;
    const filter = {
      ...(kind === undefined ? {} : { kind }),
      ...(state === undefined ? {} : { states: state }),
    };
    const after = query.after === undefined ? null : decodeCursor(query.after, z.uuid());
    const { items, next: last } = await this.ledger.list(filter, { limit: query.limit, after });
    const next = last === null ? null : encodeCursor(last);
    linkNext(request, reply, next);
    return { items: items.map(presentJob), page: { next, limit: query.limit } };
  }

  /** With `wait` the answer comes when the job is over, or after that many seconds. */
  @Get(':jobId')
  @Permission('admin.jobs')
  async get(
    @Param('jobId', new IdPipe('job')) id: string,
    @Query({ schema: jobQuery }) query: z.output<typeof jobQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobView> {
    const job = await waitForJob(this.ledger, id, query.wait * 1000, hangUpSignal(reply));
    if (job === null) throw notFound('job');
    return presentJob(job);
  }

  @Post(':jobId/cancellation')
  @HttpCode(202)
  @Permission('admin.jobs')
  async cancel(@Param('jobId', new IdPipe('job')) id: string): Promise<JobView> {
    const job = await this.ledger.requestCancellation(id);
    if (job === null) throw notFound('job');
    return presentJob(job);
  }
}
