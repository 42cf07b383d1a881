import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import { AccessError, type Caller, type NodeContext, type Role } from '@sluice/domain/access';
import { Users } from '@sluice/identity';
import { Members } from '@sluice/projects';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { nodeQuery, param, Permission } from '../access/permission.ts';
import { CurrentActor, CurrentCaller, CurrentNode, CurrentRole, roleOf } from '../access/request-context.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import {
  grantCursor,
  type GrantView,
  listGrantsQuery,
  presentGrant,
  putGrantBody,
} from './grants.schemas.ts';

/** Who has which role on a group or project. */
@Controller('grants')
export class GrantsController {
  constructor(
    private readonly members: Members,
    private readonly users: Users,
    private readonly authorizer: Authorizer,
  ) {}

  /** Gives a role, in place of the local one that the principal had on the node. */
  @Post()
  @Permission('signed-in')
  async put(
    @Body({ schema: putGrantBody }) body: z.output<typeof putGrantBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<GrantView> {
    const authorized = await this.authorizer.require(caller, 'member.manage', nodeTarget(body.node));
    const node = authorized.node as NodeContext;
    const principal = await this.users.byName(body.principal);
    if (principal === null) {
      throw new AccessError(
        'principal-unknown',
        `there is no user or robot named ${body.principal.slice(0, 160)}`,
      );
    }
    const member = { node, principal, role: body.role, expiresAt: body.expiresAt };
    const grant = await this.members.put(actor, roleOf(caller, authorized.decision), member, new Date());
    const view = presentGrant(grant);
    void reply.header('location', `/api/v1/grants/${view.id}`);
    return view;
  }

  @Get()
  @Permission('member.read', nodeQuery('node'))
  async list(
    @Query({ schema: listGrantsQuery }) query: z.output<typeof listGrantsQuery>,
    @CurrentNode() node: NodeContext,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<GrantView>> {
    const result = await page(query, {
      fetch: (after, limit) =>
        this.members.list({ nodeId: node.id, inherited: query.inherited, after, limit }),
      keyOf: (grant) => grant.id,
      cursor: grantCursor,
      present: presentGrant,
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  @Get(':grantId')
  @Permission('member.read', param('grantId', 'grant'))
  async get(@Param('grantId', new IdPipe('grant')) id: string): Promise<GrantView> {
    const grant = await this.members.get(id);
    if (grant === null) throw notFound('grant');
    return presentGrant(grant);
  }

  @Delete(':grantId')
  @HttpCode(204)
  @Permission('member.manage', param('grantId', 'grant'))
  async remove(
    @Param('grantId', new IdPipe('grant')) id: string,
    @CurrentRole() role: Role,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.members.remove(actor, role, id);
  }
}
