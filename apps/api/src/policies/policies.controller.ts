import { Body, Controller, Delete, Get, HttpCode, Param, Put, Query, Req, Res } from '@nestjs/common';
import type { AuditActor, PolicyQuery, PolicyRecord } from '@sluice/database';
import type { Caller } from '@sluice/domain/access';
import { Policies } from '@sluice/gate';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Authorizer, nodeTarget } from '../access/authorizer.ts';
import { Permission } from '../access/permission.ts';
import { CurrentActor, CurrentCaller } from '../access/request-context.ts';
import { encodeId, IdPipe, notFound } from '../http/ids.ts';
import { linkNext, type Page, page } from '../http/paging.ts';
import { ApiError } from '../http/problem.ts';
import { readerOf } from '../projects/node-requests.ts';
import {
  type AppliedPolicyView,
  applyPolicyBody,
  type FullPolicyView,
  listPoliciesQuery,
  type PolicyVersionView,
  type PolicyView,
  presentFullPolicy,
  presentPolicy,
  presentPolicyVersion,
} from './policy.schemas.ts';

/** What must hold, for a group, a project or (node null) the whole installation. */
@Controller('policies')
export class PoliciesController {
  constructor(
    private readonly policies: Policies,
    private readonly authorizer: Authorizer,
  ) {}

  /** Creates the policy that the document names, or gives it a new version. */
  @Put()
  @Permission('signed-in')
  async apply(
    @Body({ schema: applyPolicyBody }) body: z.output<typeof applyPolicyBody>,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AppliedPolicyView> {
    const nodeId = await this.#writable(caller, body.node);
    const { principal } = caller;
    const principalId = principal.kind === 'anonymous' ? null : principal.id;
    const { policy, changed } = await this.policies.apply(
      { ...actor, principalId },
      { nodeId, text: body.document, expectedVersion: body.expectedVersion },
    );
    const id = encodeId('policy', policy.id);
    if (changed && policy.version === 1) void reply.code(201).header('location', `/api/v1/policies/${id}`);
    return { id, node: policy.nodePath, name: policy.name, version: policy.version, changed };
  }

  /** The policies that hold in a node, inherited ones too; without a node all that the caller may read. */
  @Get()
  @Permission('signed-in')
  async list(
    @Query({ schema: listPoliciesQuery }) query: z.output<typeof listPoliciesQuery>,
    @CurrentCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Page<PolicyView>> {
    const nodeId = query.node === undefined ? null : await this.#nodeWith(caller, 'policy.read', query.node);
    const scope: PolicyQuery['scope'] =
      nodeId === null ? { kind: 'readable', reader: readerOf(caller) } : { kind: 'effective', nodeId };
    const result = await page(query, {
      fetch: (after, limit) => this.policies.list({ scope, after, limit }),
      keyOf: (policy) => policy.id,
      cursor: z.uuid(),
      present: (policy) => policy,
    });
    linkNext(request, reply, result.page.next);
    // What holds in a node that may be read may be read, wherever it is attached.
    const shown = nodeId === null ? await this.#shownTo(caller, result.items) : result.items;
    return { items: shown.map(presentPolicy), page: result.page };
  }

  @Get(':policyId')
  @Permission('signed-in')
  async get(
    @Param('policyId', new IdPipe('policy')) id: string,
    @CurrentCaller() caller: Caller,
  ): Promise<FullPolicyView> {
    return presentFullPolicy(await this.#policy(caller, id));
  }

  /** Every version that there was, newest first. */
  @Get(':policyId/versions')
  @Permission('signed-in')
  async versions(
    @Param('policyId', new IdPipe('policy')) id: string,
    @CurrentCaller() caller: Caller,
  ): Promise<{ items: readonly PolicyVersionView[] }> {
    await this.#policy(caller, id);
    return { items: (await this.policies.versions(id)).map(presentPolicyVersion) };
  }

  @Delete(':policyId')
  @HttpCode(204)
  @Permission('signed-in')
  async delete(
    @Param('policyId', new IdPipe('policy')) id: string,
    @CurrentCaller() caller: Caller,
    @CurrentActor() actor: AuditActor,
  ): Promise<void> {
    const policy = await this.#policy(caller, id);
    if (policy.nodeId === null) await this.authorizer.require(caller, 'admin.policies', null);
    else await this.authorizer.require(caller, 'policy.write', { id: policy.nodeId });
    const { principal } = caller;
    const principalId = principal.kind === 'anonymous' ? null : principal.id;
    await this.policies.delete({ ...actor, principalId }, id);
  }

  /** A policy that the caller may read: what holds for the installation concerns everybody who is signed in. */
  async #policy(caller: Caller, id: string): Promise<PolicyRecord> {
    const policy = await this.policies.get(id);
    if (policy === null) throw notFound('policy');
    if (policy.nodeId !== null) {
      await this.authorizer.require(caller, 'policy.read', { id: policy.nodeId }, null, 'policy');
    }
    return policy;
  }

  /** The id of the node that a policy is to be attached to; null for the installation. */
  async #writable(caller: Caller, node: string | null): Promise<string | null> {
    if (node !== null) return this.#nodeWith(caller, 'policy.write', node);
    await this.authorizer.require(caller, 'admin.policies', null);
    return null;
  }

  async #nodeWith(caller: Caller, action: 'policy.read' | 'policy.write', text: string): Promise<string> {
    const { node } = await this.authorizer.require(caller, action, nodeTarget(text));
    if (node === null) throw new ApiError('not-found', 'there is no such group or project');
    return node.id;
  }

  async #shownTo(caller: Caller, policies: readonly PolicyRecord[]): Promise<PolicyRecord[]> {
    const readable = new Set<string | null>([null]);
    for (const nodeId of new Set(policies.map((policy) => policy.nodeId))) {
      if (nodeId !== null && (await this.authorizer.allows(caller, 'policy.read', { id: nodeId }))) {
        readable.add(nodeId);
      }
    }
    return policies.filter((policy) => readable.has(policy.nodeId));
  }
}
