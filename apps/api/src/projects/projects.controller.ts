import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import { type Caller, parseNodePath } from '@sluice/domain/access';
import { Projects } from '@sluice/projects';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Authorizer } from '../access/authorizer.ts';
import { Permission, param } from '../access/permission.ts';
import { CurrentActor, CurrentCaller } from '../access/request-context.ts';
import { requireMatch } from '../http/etag.interceptor.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { defined } from '../http/optional.ts';
import type { Page } from '../http/paging.ts';
import { listNodes, requireCreation } from './node-requests.ts';
import {
  createNodeBody,
  listNodesQuery,
  type NodeView,
  presentNode,
  updateProjectBody,
} from './node.schemas.ts';

@Controller('projects')
export class ProjectsController {
  constructor(
    private readonly projects: Projects,
    private readonly authorizer: Authorizer,
  ) {}

  /** Creates a project and the groups that are missing on the way. */
  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createNodeBody }) body: z.output<typeof createNodeBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await requireCreation(this.authorizer, caller, parseNodePath(body.path));
    const view = presentNode(await this.projects.createProject(actor, body));
    void reply.header('location', `/api/v1/projects/${view.id}`);
    return view;
  }

  @Get()
  @Permission('anyone')
  async list(
    @Query({ schema: listNodesQuery }) query: z.output<typeof listNodesQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<NodeView>> {
    return listNodes(this.projects, 'project', query, caller, request, reply);
  }

  @Get(':projectId')
  @Permission('project.read', param('projectId', 'project'))
  async get(@Param('projectId', new IdPipe('project')) id: string): Promise<NodeView> {
    return this.#view(id);
  }

  @Patch(':projectId')
  @Permission('node.update', param('projectId', 'project'))
  async update(
    @Param('projectId', new IdPipe('project')) id: string,
    @Body({ schema: updateProjectBody }) body: z.output<typeof updateProjectBody>,
    @CurrentActor() actor: AuditActor,
    @Req() request: FastifyRequest,
  ): Promise<NodeView> {
    requireMatch(request, await this.#view(id));
    return presentNode(await this.projects.update(actor, id, defined(body)));
  }

  @Delete(':projectId')
  @HttpCode(204)
  @Permission('node.delete', param('projectId', 'project'))
  async delete(
    @Param('projectId', new IdPipe('project')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.#view(id);
    await this.projects.delete(actor, id);
  }

  async #view(id: string): Promise<NodeView> {
    const node = await this.projects.get({ id });
    if (node?.kind !== 'project') throw notFound('project');
    return presentNode(node);
  }
}
