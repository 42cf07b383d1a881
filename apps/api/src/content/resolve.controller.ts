import { Controller, Get, Query, Req } from '@nestjs/common';
import { Catalog, parseLocalReference } from '@sluice/catalog';
import type { Caller } from '@sluice/domain/access';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Authorizer } from '../access/authorizer.ts';
import { Permission } from '../access/permission.ts';
import { CurrentCaller } from '../access/request-context.ts';
import { PublicUrl } from '../http/public-url.ts';
import { type ArtifactView, presentArtifact, resolveQuery } from './artifact.schemas.ts';

@Controller('resolve')
export class ResolveController {
  constructor(
    private readonly catalog: Catalog,
    private readonly authorizer: Authorizer,
    private readonly publicUrl: PublicUrl,
  ) {}

  /** The artifact that an image reference names now. */
  @Get()
  @Permission('anyone')
  async resolve(
    @Query({ schema: resolveQuery }) query: z.output<typeof resolveQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<ArtifactView> {
    // The caller's own word for this host counts as well: the public name need not be the only one.
    const hosts = [this.publicUrl.host, request.host.toLowerCase()];
    const { repository } = parseLocalReference(query.ref, hosts);
    await this.authorizer.require(caller, 'repository.read', { repository }, repository, 'artifact');
    return presentArtifact(await this.catalog.resolve(query.ref, hosts));
  }
}
