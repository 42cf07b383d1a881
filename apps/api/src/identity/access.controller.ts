import { Controller, Get, Query } from '@nestjs/common';
import { type Action, type Caller, isAction } from '@sluice/domain/access';
import { AccessControl } from '@sluice/identity';
import { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { Permission } from '../access/permission.ts';
import { callerName, CurrentCaller } from '../access/request-context.ts';
import { label, node, principalName } from './principal.schemas.ts';

const explanationQuery = z
  .strictObject({
    /** A user or robot name, or `anonymous`; absent: oneself. */
    principal: principalName.optional(),
    action: z.custom<Action>(
      (value) => typeof value === 'string' && isAction(value),
      'expected an action such as repository.push',
    ),
    repository: label.min(1).optional(),
    node: node.optional(),
  })
  .refine((query) => query.repository === undefined || query.node === undefined, {
    error: 'give repository or node, not both',
    path: ['node'],
  });

interface ExplanationView {
  readonly principal: string;
  readonly action: string;
  readonly node: string | null;
  readonly repository: string | null;
  readonly allowed: boolean;
  readonly role: string | null;
  readonly reasons: readonly string[];
  readonly until: string | null;
}

@Controller('access')
export class AccessController {
  constructor(
    private readonly access: AccessControl,
    private readonly authorizer: Authorizer,
  ) {}

  /** Why somebody may or may not do something. About others it takes the right to see the members. */
  @Get('explanation')
  @Permission('signed-in')
  async explain(
    @Query({ schema: explanationQuery }) query: z.output<typeof explanationQuery>,
    @CurrentCaller() caller: Caller,
  ): Promise<ExplanationView> {
    const { action, repository = null } = query;
    const target =
      repository === null ? (query.node === undefined ? null : nodeTarget(query.node)) : { repository };
    const principal = query.principal ?? callerName(caller);
    const isSelf = principal === callerName(caller);
    if (target === null) {
      if (!isSelf) await this.authorizer.require(caller, 'admin.users', null);
    } else {
      // Whoever may not read the node learns nothing of it, whatever they ask.
      await this.authorizer.require(caller, isSelf ? 'project.read' : 'member.read', target);
    }
    const { decision, node: place } = isSelf
      ? await this.access.decide(caller, action, target, repository)
      : await this.access.explain(principal, action, target, repository);
    return {
      principal,
      action,
      node: place?.path ?? null,
      repository,
      allowed: decision.allowed,
      role: decision.role,
      reasons: decision.reasons,
      until: decision.until?.toISOString() ?? null,
    };
  }
}
