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
import type { Page } from '../http/paging.ts';
import { listNodes, requireCreation } from './node-requests.ts';
import {
  createNodeBody,
  listNodesQuery,
  type NodeView,
  presentNode,
  updateNodeBody,
} from './node.schemas.ts';

@Controller('groups')
export class GroupsController {
  constructor(
    private readonly projects: Projects,
    private readonly authorizer: Authorizer,
  ) {}

  /** Creates a group and the groups that are missing on the way. */
  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createNodeBody }) body: z.output<typeof createNodeBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView> {
    await requireCreation(this.authorizer, caller, parseNodePath(body.path));
    const view = presentNode(await this.projects.createGroup(actor, body));
    void reply.header('location', `/api/v1/groups/${view.id}`);
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
    return listNodes(this.projects, 'group', query, caller, request, reply);
  }

  @Get(':groupId')
  @Permission('project.read', param('groupId', 'group'))
  async get(@Param('groupId', new IdPipe('group')) id: string): Promise<NodeView> {
    return this.#view(id);
  }

  @Patch(':groupId')
  @Permission('node.update', param('groupId', 'group'))
  async update(
    @Param('groupId', new IdPipe('group')) id: string,
    @Body({ schema: updateNodeBody }) body: z.output<typeof updateNodeBody>,
    @CurrentActor() actor: AuditActor,
    @Req() request: FastifyRequest,
  ): Promise<NodeView> {
    requireMatch(request, await this.#view(id));
    return presentNode(await this.projects.update(actor, id, body));
  }

  @Delete(':groupId')
  @HttpCode(204)
  @Permission('node.delete', param('groupId', 'group'))
  async delete(
    @Param('groupId', new IdPipe('group')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.#view(id);
    await this.projects.delete(actor, id);
  }

  async #view(id: string): Promise<NodeView> {
    const node = await this.projects.get({ id });
    if (node?.kind !== 'group') throw notFound('group');
    return presentNode(node);
  }
}
