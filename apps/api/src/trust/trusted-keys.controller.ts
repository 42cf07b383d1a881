import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor, TrustedKeyRecord } from '@sluice/database';
import type { Caller } from '@sluice/domain/access';
import { TrustedKeys } from '@sluice/signing';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { Permission, param } from '../access/permission.ts';
import { CurrentActor, CurrentCaller } from '../access/request-context.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { readerOf } from '../projects/node-requests.ts';
import {
  createTrustedKeyBody,
  listTrustedKeysQuery,
  presentTrustedKey,
  type TrustedKeyView,
} from './trusted-key.schemas.ts';

/** The public keys whose signatures count. */
@Controller('trusted-keys')
export class TrustedKeysController {
  constructor(
    private readonly trustedKeys: TrustedKeys,
    private readonly authorizer: Authorizer,
  ) {}

  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createTrustedKeyBody }) body: z.output<typeof createTrustedKeyBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TrustedKeyView> {
    const { node } = await this.authorizer.require(caller, 'trust.manage', nodeTarget(body.node));
    if (node === null) throw notFound('project');
    const { name, pem } = body;
    const view = presentTrustedKey(await this.trustedKeys.add(actor, { nodeId: node.id, name, pem }));
    void reply.header('location', `/api/v1/trusted-keys/${view.id}`);
    return view;
  }

  /** The keys that count in a node, those of the groups above it included; without a node all that may be seen. */
  @Get()
  @Permission('anyone')
  async list(
    @Query({ schema: listTrustedKeysQuery }) query: z.output<typeof listTrustedKeysQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<TrustedKeyView>> {
    if (query.node !== undefined) {
      const { node } = await this.authorizer.require(caller, 'trust.read', nodeTarget(query.node));
      const keys = node === null ? [] : await this.trustedKeys.listForNode(node.id);
      return { items: keys.map(presentTrustedKey), page: { next: null, limit: query.limit } };
    }
    const result = await page(query, {
      fetch: (after, limit) => this.trustedKeys.list({ reader: readerOf(caller), after, limit }),
      keyOf: (key) => key.id,
      cursor: z.uuid(),
      present: (key) => key,
    });
    linkNext(request, reply, result.page.next);
    return { items: (await this.#readable(caller, result.items)).map(presentTrustedKey), page: result.page };
  }

  @Get(':keyId')
  @Permission('trust.read', param('keyId', 'trustedKey'))
  async get(@Param('keyId', new IdPipe('trustedKey')) id: string): Promise<TrustedKeyView> {
    const key = await this.trustedKeys.get(id);
    if (key === null) throw notFound('trustedKey');
    return presentTrustedKey(key);
  }

  @Delete(':keyId')
  @HttpCode(204)
  @Permission('trust.manage', param('keyId', 'trustedKey'))
  async delete(
    @Param('keyId', new IdPipe('trustedKey')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.trustedKeys.remove(actor, id);
  }

  /** Seeing a node takes less than seeing its keys, so each node is asked once. */
  async #readable(caller: Caller, keys: readonly TrustedKeyRecord[]): Promise<TrustedKeyRecord[]> {
    const readable = new Set<string>();
    for (const nodeId of new Set(keys.map((key) => key.nodeId))) {
      if (await this.authorizer.allows(caller, 'trust.read', { id: nodeId })) readable.add(nodeId);
    }
    return keys.filter((key) => readable.has(key.nodeId));
  }
}
