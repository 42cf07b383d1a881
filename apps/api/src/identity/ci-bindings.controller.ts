import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import { AccessError, type Caller, type NodeContext } from '@sluice/domain/access';
import { CiBindings } from '@sluice/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { nodeQuery, param, Permission } from '../access/permission.ts';
import { CurrentActor, CurrentCaller, CurrentNode, roleOf } from '../access/request-context.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { defined } from '../http/optional.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import {
  bindingCursor,
  type BindingView,
  createBindingBody,
  listBindingsQuery,
  presentBinding,
} from './ci-bindings.schemas.ts';

/** Which GitLab projects' CI jobs have which role on a group or project. */
@Controller('ci-bindings')
export class CiBindingsController {
  constructor(
    private readonly bindings: CiBindings,
    private readonly authorizer: Authorizer,
  ) {}

  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createBindingBody }) body: z.output<typeof createBindingBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BindingView> {
    const authorized = await this.authorizer.require(caller, 'binding.manage', nodeTarget(body.node));
    const node = authorized.node as NodeContext;
    const issuer = body.issuer ?? this.bindings.defaultIssuer;
    if (issuer === null) {
      throw new AccessError(
        'binding-invalid',
        'say which GitLab is meant with "issuer": none or several are configured',
      );
    }
    const record = await this.bindings.create(actor, roleOf(caller, authorized.decision), {
      issuer,
      gitlabProjectId: body.gitlabProjectId,
      gitlabProjectPath: body.gitlabProjectPath,
      nodeId: node.id,
      role: body.role,
      conditions: defined(body.conditions),
    });
    const view = presentBinding(record);
    void reply.header('location', `/api/v1/ci-bindings/${view.id}`);
    return view;
  }

  @Get()
  @Permission('binding.read', nodeQuery('node'))
  async list(
    @Query({ schema: listBindingsQuery }) query: z.output<typeof listBindingsQuery>,
    @CurrentNode() node: NodeContext,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<BindingView>> {
    const result = await page(query, {
      fetch: (after, limit) => this.bindings.list({ nodeId: node.id, after, limit }),
      keyOf: (binding) => binding.id,
      cursor: bindingCursor,
      present: presentBinding,
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  @Get(':bindingId')
  @Permission('binding.read', param('bindingId', 'binding'))
  async get(@Param('bindingId', new IdPipe('binding')) id: string): Promise<BindingView> {
    const binding = await this.bindings.get(id);
    if (binding === null) throw notFound('binding');
    return presentBinding(binding);
  }

  @Delete(':bindingId')
  @HttpCode(204)
  @Permission('binding.manage', param('bindingId', 'binding'))
  async remove(
    @Param('bindingId', new IdPipe('binding')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.bindings.remove(actor, id);
  }
}
