import { Body, Controller, Get, HttpCode, Post, Put, Res } from '@nestjs/common';
import { type AuditActor, JobLedger } from '@sluice/database';
import { StorageKeys } from '@sluice/storage-keys';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { CurrentActor } from '../access/request-context.ts';
import { notFound } from '../http/ids.ts';
import { type JobView, presentJob } from '../jobs/job.schemas.ts';
import { assignKeyDomainBody, presentStorageKeys, type StorageKeysView } from './storage-key.schemas.ts';

/** The keys that blobs are encrypted under. No key ever leaves through here. */
@Controller('storage')
export class StorageController {
  constructor(
    private readonly storageKeys: StorageKeys,
    private readonly ledger: JobLedger,
  ) {}

  /** Every key, with how much of what is stored needs it. */
  @Get('keys')
  @Permission('admin.settings')
  async keys(): Promise<StorageKeysView> {
    return presentStorageKeys(await this.storageKeys.report());
  }

  /** Wraps every data key with the active key of its domain. The job is in the body and in Location. */
  @Post('rewraps')
  @HttpCode(202)
  @Permission('admin.settings')
  async rewrap(
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobView> {
    const job = await this.ledger.get(await this.storageKeys.startRewrap(actor));
    if (job === null) throw notFound('job');
    const view = presentJob(job);
    void reply.header('location', `/api/v1/jobs/${view.id}`);
    return view;
  }

  /** Gives a group or project, with everything below it, keys of its own. */
  @Put('key-domains')
  @Permission('admin.settings')
  async assign(
    @Body({ schema: assignKeyDomainBody }) body: z.output<typeof assignKeyDomainBody>,
    @CurrentActor() actor: AuditActor,
  ): Promise<StorageKeysView> {
    await this.storageKeys.assignDomain(actor, body.path, body.domain);
    return presentStorageKeys(await this.storageKeys.report());
  }
}
