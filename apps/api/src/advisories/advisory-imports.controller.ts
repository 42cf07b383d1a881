import { Readable } from 'node:stream';
import { Controller, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { JobLedger } from '@sluice/database';
import { AdvisoryUploads } from '@sluice/scanning';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { notFound } from '../http/ids.ts';
import { ApiError } from '../http/problem.ts';
import { type JobView, presentJob } from '../jobs/job.schemas.ts';
import { importAdvisoriesQuery } from './advisory.schemas.ts';

/** Takes OSV advisories as an `all.zip`, streamed. */
@Controller('advisory-imports')
export class AdvisoryImportsController {
  constructor(
    private readonly uploads: AdvisoryUploads,
    private readonly ledger: JobLedger,
  ) {}

  /** Answers when the file is kept; the job that imports it is in the body and in Location. */
  @Post()
  @HttpCode(202)
  @Permission('admin.advisories')
  async create(
    @Query({ schema: importAdvisoriesQuery }) query: z.output<typeof importAdvisoriesQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobView> {
    const { body } = request;
    if (!(body instanceof Readable)) {
      throw new ApiError(
        'validation-failed',
        'send the file itself as application/zip or application/octet-stream',
      );
    }
    const job = await this.ledger.get(await this.uploads.accept(body, query.name));
    if (job === null) throw notFound('job');
    const view = presentJob(job);
    void reply.header('location', `/api/v1/jobs/${view.id}`);
    return view;
  }
}
