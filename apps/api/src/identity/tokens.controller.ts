import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import type { Caller } from '@sluice/domain/access';
import { AccessTokens } from '@sluice/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { CurrentActor, CurrentCaller } from '../access/request-context.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { defined } from '../http/optional.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { requireUser } from './full-rights.ts';
import {
  createTokenBody,
  listTokensQuery,
  presentSecret,
  secretCursor,
  type SecretView,
} from './tokens.schemas.ts';

/** One's own personal access tokens. */
@Controller('tokens')
export class TokensController {
  constructor(private readonly tokens: AccessTokens) {}

  /** The token is in `secret`, this once. */
  @Post()
  @Permission('signed-in')
  async create(
    @Body({ schema: createTokenBody }) body: z.output<typeof createTokenBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SecretView & { secret: string }> {
    const { record, token } = await this.tokens.issue(actor, requireUser(caller), defined(body));
    const view = presentSecret('token', record);
    void reply.header('location', `/api/v1/tokens/${view.id}`).header('cache-control', 'no-store');
    return { ...view, secret: token };
  }

  @Get()
  @Permission('signed-in')
  async list(
    @Query({ schema: listTokensQuery }) query: z.output<typeof listTokensQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<SecretView>> {
    const { id: principalId } = requireUser(caller);
    const result = await page(query, {
      fetch: (after, limit) => this.tokens.list({ principalId, after, limit }),
      keyOf: (token) => token.id,
      cursor: secretCursor,
      present: (token) => presentSecret('token', token),
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  @Get(':tokenId')
  @Permission('signed-in')
  async get(
    @Param('tokenId', new IdPipe('token')) id: string,
    @CurrentCaller() caller: Caller,
  ): Promise<SecretView> {
    return presentSecret('token', await this.#own(caller, id));
  }

  /** Any token of a user may end itself; ending others takes full rights. */
  @Delete(':tokenId')
  @HttpCode(204)
  @Permission('signed-in')
  async revoke(
    @Param('tokenId', new IdPipe('token')) id: string,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    if (caller.tokenId !== id) await this.#own(caller, id);
    await this.tokens.revoke(actor, { name: actor.actor }, id);
  }

  async #own(caller: Caller, id: string) {
    const user = requireUser(caller);
    const record = await this.tokens.get(id);
    if (record?.principalId !== user.id) throw notFound('token');
    return record;
  }
}
