import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import { Users } from '@sluice/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { CurrentActor } from '../access/request-context.ts';
import { requireMatch } from '../http/etag.interceptor.ts';
import { IdPipe, notFound } from '../http/ids.ts';
import { defined } from '../http/optional.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import {
  createUserBody,
  listUsersQuery,
  presentUser,
  principalCursor,
  updateUserBody,
  type UserView,
} from './principal.schemas.ts';

@Controller('users')
export class UsersController {
  constructor(private readonly users: Users) {}

  @Post()
  @Permission('admin.users')
  async create(
    @Body({ schema: createUserBody }) body: z.output<typeof createUserBody>,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    const view = presentUser(await this.users.create(actor, defined(body)));
    void reply.header('location', `/api/v1/users/${view.id}`);
    return view;
  }

  @Get()
  @Permission('admin.users')
  async list(
    @Query({ schema: listUsersQuery }) query: z.output<typeof listUsersQuery>,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<UserView>> {
    const result = await page(query, {
      fetch: (after, limit) => this.users.list({ after, limit }),
      keyOf: (user) => user.name,
      cursor: principalCursor,
      present: presentUser,
    });
    linkNext(request, reply, result.page.next);
    return result;
  }

  @Get(':userId')
  @Permission('admin.users')
  async get(@Param('userId', new IdPipe('user')) id: string): Promise<UserView> {
    return this.#view(id);
  }

  @Patch(':userId')
  @Permission('admin.users')
  async update(
    @Param('userId', new IdPipe('user')) id: string,
    @Body({ schema: updateUserBody }) body: z.output<typeof updateUserBody>,
    @CurrentActor() actor: AuditActor,
    @Req() request: FastifyRequest,
  ): Promise<UserView> {
    requireMatch(request, await this.#view(id));
    return presentUser(await this.users.update(actor, id, defined(body)));
  }

  @Delete(':userId')
  @HttpCode(204)
  @Permission('admin.users')
  async delete(
    @Param('userId', new IdPipe('user')) id: string,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    await this.users.delete(actor, id);
  }

  async #view(id: string): Promise<UserView> {
    const record = await this.users.get(id);
    if (record === null) throw notFound('user');
    return presentUser(record);
  }
}
