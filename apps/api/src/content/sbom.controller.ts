import { Controller, Get, Param, Res } from '@nestjs/common';
import { Catalog } from '@sluice/catalog';
import { Sboms } from '@sluice/scanning';
import type { FastifyReply } from 'fastify';
import { Permission, param } from '../access/permission.ts';
import { IdPipe } from '../http/ids.ts';

@Controller('artifacts/:artifactId/sbom')
export class SbomController {
  constructor(
    private readonly catalog: Catalog,
    private readonly sboms: Sboms,
  ) {}

  /** The software bill of materials of an image; a problem that says why when there is none. */
  @Get()
  @Permission('repository.read', param('artifactId', 'artifact'))
  async get(
    @Param('artifactId', new IdPipe('artifact')) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const artifact = await this.catalog.artifact(id);
    const document = await this.sboms.cycloneDx({ digest: artifact.digest, name: artifact.repository });
    if (document === null) throw await this.catalog.noSbom(artifact);
    void reply.type('application/vnd.cyclonedx+json; version=1.6');
    return document;
  }
}
