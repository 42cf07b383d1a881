import { CredentialsRevoked, type PullRequest } from '@sluice/distribution';
import type { Caller, RepositoryAction } from '@sluice/domain/access';
import { OciError, type RepositoryName } from '@sluice/domain/oci';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DataPlaneDependencies } from './dependencies.ts';

/** What took longer may have outlived a grant that was given for a time. */
const BRIEF_MS = 10_000;

/** One request of the data plane, authenticated and authorised. */
export class Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly dependencies: DataPlaneDependencies;
  readonly caller: Caller;
  /** What the caller may do with the repository of the path. */
  readonly actions: readonly RepositoryAction[];
  readonly #startedAt = performance.now();
  readonly #queryText: string;
  #query: URLSearchParams | undefined;

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    dependencies: DataPlaneDependencies,
    caller: Caller,
    actions: readonly RepositoryAction[],
    queryText: string,
  ) {
    this.request = request;
    this.reply = reply;
    this.dependencies = dependencies;
    this.caller = caller;
    this.actions = actions;
    this.#queryText = queryText;
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#queryText));
  }

  /**
   * A parameter that means nothing when it is empty.
   *
   * @throws OciError NAME_INVALID for control characters: no name has them, and PostgreSQL cannot hold U+0000
   */
  parameter(name: string): string | null {
    const value = this.query.get(name) || null;
    if (value !== null && /\p{Cc}/u.test(value)) {
      throw new OciError('NAME_INVALID', `the parameter ${name} holds control characters`);
    }
    return value;
  }

  /**
   * Called when a body has come, which may be hours after the request began. That the token has expired in between is no
   * reason to refuse: a large push outlives it.
   *
   * @throws CredentialsRevoked
   */
  async assertMayStillPush(repository: RepositoryName): Promise<void> {
    const { caller, dependencies } = this;
    if (!(await dependencies.authentication.holds(caller))) throw new CredentialsRevoked(caller);
    // A job's rights are those of its token, and end with nothing else.
    if (performance.now() - this.#startedAt < BRIEF_MS || caller.principal.kind === 'workload') return;
    const { actions } = await dependencies.access.repositoryRights(behindToken(caller), repository, ['push']);
    if (!actions.includes('push')) throw new CredentialsRevoked(caller);
  }

  /** Who asks, for the services that let content out. */
  pullOf(repository: RepositoryName): PullRequest {
    const { request, caller, actions } = this;
    const mayPush = actions.includes('push');
    return {
      caller,
      actions,
      isPushing: mayPush && caller.access !== null,
      principalMayPush: async () => mayPush || principalMayPush(this.dependencies, caller, repository),
      clientAddress: request.ip,
      userAgent: request.headers['user-agent'] ?? null,
      requestId: request.id,
      gone: () => {
        const controller = new AbortController();
        this.reply.raw.once('close', () => controller.abort());
        return controller.signal;
      },
    };
  }
}

const ALL_ACTIONS: readonly RepositoryAction[] = ['pull', 'push', 'delete'];

/**
 * What a token says, or what is stored for whoever comes without one.
 *
 * @param isChecked whether the handler finds out itself that the visibility by which a token was issued has changed
 */
export async function rightsOn(
  { access }: Pick<DataPlaneDependencies, 'access'>,
  caller: Caller,
  repository: RepositoryName,
  isChecked: boolean,
): Promise<readonly RepositoryAction[]> {
  if (caller.access === null) return (await access.repositoryRights(caller, repository, ALL_ACTIONS)).actions;
  const granted = caller.access.find((entry) => entry.repository === repository);
  if (granted === undefined) return [];
  if (granted.byVisibility !== true || isChecked) return granted.actions;
  return (await access.repositoryRights(behindToken(caller), repository, granted.actions)).actions;
}

/** The principal with the credential behind its token, whatever the token was asked for; whoever has none as it is. */
export function behindToken(caller: Caller): Caller {
  return caller.access === null ? caller : { ...caller, access: null, scopes: caller.secretScopes ?? null };
}

/**
 * What the principal may do with the credential behind its token, whatever the token was asked for. A caller without
 * a token has said all it may do.
 */
async function principalMayPush(
  { access }: DataPlaneDependencies,
  caller: Caller,
  repository: RepositoryName,
): Promise<boolean> {
  if (caller.access === null) return false;
  return (await access.repositoryRights(behindToken(caller), repository, ['push'])).actions.includes('push');
}
