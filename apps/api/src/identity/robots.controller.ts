import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import type { Caller, NodeContext } from '@sluice/domain/access';
import { Robots } from '@sluice/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { nodeQuery, Permission, param } from '../access/permission.ts';
import { CurrentActor, CurrentCaller, CurrentNode, roleOf } from '../access/request-context.ts';
import { requireMatch } from '../http/etag.interceptor.ts';
import { encodeId, IdPipe, notFound } from '../http/ids.ts';
import { defined } from '../http/optional.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { principalCursor } from './principal.schemas.ts';
import {
  createRobotBody,
  createSecretBody,
  listRobotsQuery,
  presentRobot,
  type RobotView,
  updateRobotBody,
} from './robots.schemas.ts';
import { presentSecret, type SecretView } from './tokens.schemas.ts';

@Controller('robots')
export class RobotsController {
  constructor(
    private readonly robots: Robots,
    private readonly authorizer: Authorizer,
  ) {}

  /** The first secret is in `secret`, this once. */
  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createRobotBody }) body: z.output<typeof createRobotBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RobotView & { secretId: string; secret: string; secretExpiresAt: string | null }> {
    const authorized = await this.authorizer.require(caller, 'robot.manage', nodeTarget(body.node));
    const node = authorized.node as NodeContext;
    const created = await this.robots.create(actor, roleOf(caller, authorized.decision), {
      ...defined(body),
      node,
    });
    const view = presentRobot(created.robot);
    void reply.header('location', `/api/v1/robots/${view.id}`).header('cache-control', 'no-store');
    const { record, token } = created.secret;
    return {
      ...view,
      secretId: encodeId('secret', record.id),
      secret: token,
      secretExpiresAt: record.expiresAt?.toISOString() ?? null,
    };
  }

  @Get()
  @Permission('robot.read', nodeQuery('node'))
  async list(
    @Query({ schema: listRobotsQuery }) query: z.output<typeof listRobotsQuery>,
    @CurrentNode() node: NodeContext,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<RobotView>> {
    const result = await page(query, {
      fetch: (after, limit) => this.robots.list({ nodeId: node.id, after, limit }),
      keyOf: (robot) => robot.name,
      cursor: principalCursor,
      present: presentRobot,
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  @Get(':robotId')
  @Permission('robot.read', param('robotId', 'robot'))
  async get(@Param('robotId', new IdPipe('robot')) id: string): Promise<RobotView> {
    return this.#view(id);
  }

  @Patch(':robotId')
  @Permission('robot.manage', param('robotId', 'robot'))
  async update(
    @Param('robotId', new IdPipe('robot')) id: string,
    @Body({ schema: updateRobotBody }) body: z.output<typeof updateRobotBody>,
    @CurrentActor() actor: AuditActor,
    @Req() request: FastifyRequest,
  ): Promise<RobotView> {
    requireMatch(request, await this.#view(id));
    return presentRobot(await this.robots.update(actor, id, defined(body)));
  }

  @Delete(':robotId')
  @HttpCode(204)
  @Permission('robot.manage', param('robotId', 'robot'))
  async delete(
    @Param('robotId', new IdPipe('robot')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.robots.delete(actor, id);
  }

  @Get(':robotId/secrets')
  @Permission('robot.read', param('robotId', 'robot'))
  async listSecrets(@Param('robotId', new IdPipe('robot')) id: string): Promise<Page<SecretView>> {
    const secrets = await this.robots.listSecrets(id);
    const items = secrets.map((secret) => presentSecret('secret', secret));
    return { items, page: { next: null, limit: items.length } };
  }

  /** A second secret beside the present one, for rotation; 409 when two are alive already. */
  @Post(':robotId/secrets')
  @Permission('robot.manage', param('robotId', 'robot'))
  async rotate(
    @Param('robotId', new IdPipe('robot')) id: string,
    @Body({ schema: createSecretBody }) body: z.output<typeof createSecretBody>,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecretView & { secret: string }> {
    const { record, token } = await this.robots.rotate(actor, id, defined(body));
    void reply.header('cache-control', 'no-store');
    return { ...presentSecret('secret', record), secret: token };
  }

  @Delete(':robotId/secrets/:secretId')
  @HttpCode(204)
  @Permission('robot.manage', param('robotId', 'robot'))
  async revokeSecret(
    @Param('robotId', new IdPipe('robot')) id: string,
    @Param('secretId', new IdPipe('secret')) secretId: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.robots.revokeSecret(actor, id, secretId);
  }

  async #view(id: string): Promise<RobotView> {
    const robot = await this.robots.get(id);
    if (robot === null) throw notFound('robot');
    return presentRobot(robot);
  }
}
