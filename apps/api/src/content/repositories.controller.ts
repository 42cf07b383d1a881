import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { Catalog } from '@sluice/catalog';
import type { Caller } from '@sluice/domain/access';
import { Projects } from '@sluice/projects';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Authorizer } from '../access/authorizer.ts';
import { Permission, param } from '../access/permission.ts';
import { CurrentCaller } from '../access/request-context.ts';
import { decodeId, IdPipe, notFound } from '../http/ids.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { listRepositoriesQuery, presentRepository, type RepositoryView } from './artifact.schemas.ts';
import { catalogReaderOf, scopesAllow } from './reader.ts';

@Controller('repositories')
export class RepositoriesController {
  constructor(
    private readonly catalog: Catalog,
    private readonly projects: Projects,
    private readonly authorizer: Authorizer,
  ) {}

  @Get()
  @Permission('anyone')
  async list(
    @Query({ schema: listRepositoriesQuery }) query: z.output<typeof listRepositoriesQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RepositoryView>> {
    const projectId = query.project === undefined ? undefined : await this.#project(caller, query.project);
    const reader = catalogReaderOf(caller);
    const result = await page(query, {
      fetch: (after, limit) =>
        this.catalog.listRepositories({
          reader,
          after,
          limit,
          ...(projectId === undefined ? {} : { projectId }),
        }),
      keyOf: (repository) => repository.name,
      cursor: z.string().min(1).max(255),
      present: (repository) => repository,
    });
    linkNext(request, reply, result.page.next);
    const shown = result.items.filter(({ name }) => scopesAllow(caller, name));
    return { items: shown.map(presentRepository), page: result.page };
  }

  @Get(':repositoryId')
  @Permission('repository.read', param('repositoryId', 'repository'))
  async get(@Param('repositoryId', new IdPipe('repository')) id: string): Promise<RepositoryView> {
    return presentRepository(await this.catalog.repository(id));
  }

  /** The id of the project that an id or path names, when the caller may know of it. */
  async #project(caller: Caller, idOrPath: string): Promise<string> {
    const id = decodeId('project', idOrPath);
    const target = id === null ? { path: idOrPath } : { id };
    await this.authorizer.require(caller, 'project.read', target, null, 'project');
    const node = await this.projects.get(target);
    if (node?.kind !== 'project') throw notFound('project');
    return node.id;
  }
}
