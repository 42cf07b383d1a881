import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { Catalog } from '@sluice/catalog';
import type { Caller } from '@sluice/domain/access';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Authorizer } from '../access/authorizer.ts';
import { Permission, param } from '../access/permission.ts';
import { CurrentCaller } from '../access/request-context.ts';
import { hangUpSignal } from '../http/hang-up.ts';
import { IdPipe } from '../http/ids.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { PublicUrl } from '../http/public-url.ts';
import {
  type ArtifactView,
  type EvidenceView,
  listArtifactsQuery,
  presentArtifact,
  presentEvidence,
  presentVerdict,
  verdictQuery,
  type VerdictView,
} from './artifact.schemas.ts';
import { catalogReaderOf, scopesAllow } from './reader.ts';

@Controller('artifacts')
export class ArtifactsController {
  constructor(
    private readonly catalog: Catalog,
    private readonly authorizer: Authorizer,
    private readonly publicUrl: PublicUrl,
  ) {}

  @Get()
  @Permission('anyone')
  async list(
    @Query({ schema: listArtifactsQuery }) query: z.output<typeof listArtifactsQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<ArtifactView>> {
    const { repository, kind, verdict } = query;
    if (repository !== undefined) {
      await this.authorizer.require(caller, 'repository.read', { repository }, repository, 'repository');
    }
    const reader = catalogReaderOf(caller);
    const result = await page(query, {
      fetch: (after, limit) =>
        this.catalog.listArtifacts({
          reader,
          after,
          limit,
          ...(repository === undefined ? {} : { repository }),
          ...(kind === undefined ? {} : { kinds: kind }),
          ...(verdict === undefined ? {} : { verdicts: verdict }),
        }),
      keyOf: (artifact) => artifact.id,
      cursor: z.uuid(),
      present: (artifact) => artifact,
    });
    linkNext(request, reply, result.page.next);
    const shown = result.items.filter((artifact) => scopesAllow(caller, artifact.repository));
    return { items: shown.map(presentArtifact), page: result.page };
  }

  @Get(':artifactId')
  @Permission('repository.read', param('artifactId', 'artifact'))
  async get(@Param('artifactId', new IdPipe('artifact')) id: string): Promise<ArtifactView> {
    return presentArtifact(await this.catalog.artifact(id));
  }

  @Get(':artifactId/evidence')
  @Permission('repository.read', param('artifactId', 'artifact'))
  async evidence(
    @Param('artifactId', new IdPipe('artifact')) id: string,
  ): Promise<{ items: readonly EvidenceView[] }> {
    const evidence = await this.catalog.evidence(await this.catalog.artifact(id));
    return { items: evidence.map(presentEvidence) };
  }

  @Get(':artifactId/verdict')
  @Permission('repository.read', param('artifactId', 'artifact'))
  async verdict(
    @Param('artifactId', new IdPipe('artifact')) id: string,
    @Query({ schema: verdictQuery }) query: z.output<typeof verdictQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerdictView> {
    const artifact = await this.catalog.artifact(id);
    const verdict = await this.catalog.awaitVerdict(artifact, query.wait * 1000, hangUpSignal(reply));
    return presentVerdict(verdict, this.publicUrl.value);
  }
}
