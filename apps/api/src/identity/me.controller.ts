import { Body, Controller, Get, HttpCode, Put, Req } from '@nestjs/common';
import type { AuditActor } from '@sluice/database';
import { AccessError, type Caller, formatAccessScope } from '@sluice/domain/access';
import { Authentication, Users } from '@sluice/identity';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Permission } from '../access/permission.ts';
import { CurrentActor, CurrentCaller } from '../access/request-context.ts';
import { encodeId } from '../http/ids.ts';
import { requireUser } from './full-rights.ts';
import { changePasswordBody } from './principal.schemas.ts';

interface MeView {
  readonly id: string | null;
  readonly kind: 'user' | 'robot' | 'workload' | 'anonymous';
  readonly name: string;
  readonly isAdmin: boolean;
  /** What the credential in use is limited to; null when it carries all rights. */
  readonly scopes: readonly string[] | null;
  readonly expiresAt: string | null;
  /** What a CI job was not given, and why. */
  readonly limits: readonly string[];
}

@Controller('me')
export class MeController {
  constructor(
    private readonly authentication: Authentication,
    private readonly users: Users,
  ) {}

  /** Who the credentials of this request belong to. */
  @Get()
  @Permission('anyone')
  get(@CurrentCaller() caller: Caller): MeView {
    const { principal } = caller;
    const common = {
      scopes: caller.scopes?.map(formatAccessScope) ?? null,
      expiresAt: caller.endsAt?.toISOString() ?? null,
      limits: caller.limits ?? [],
    };
    if (principal.kind === 'anonymous') {
      return { id: null, kind: 'anonymous', name: 'anonymous', isAdmin: false, ...common };
    }
    return {
      id: encodeId(principal.kind, principal.id),
      kind: principal.kind,
      name: principal.name,
      isAdmin: principal.kind === 'user' && principal.isAdmin,
      ...common,
    };
  }

  /** A new password for oneself. Ends every token that was issued with the old one. */
  @Put('password')
  @HttpCode(204)
  @Permission('signed-in')
  async changePassword(
    @Body({ schema: changePasswordBody }) body: z.output<typeof changePasswordBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const user = requireUser(caller);
    // The password itself is asked for, so that a stolen session or token cannot take over the account.
    const proof = await this.authentication.login(user.name, body.currentPassword, request.ip);
    if (proof.tokenId !== null)
      throw new AccessError('denied', 'the current password is needed, not a token');
    await this.users.update(actor, user.id, { password: body.newPassword });
  }
}
