import { type Caller, isVisibleTo, type RepositoryAction, type Visibility } from '@sluice/domain/access';
import { OciError, type RepositoryName } from '@sluice/domain/oci';

/** Who asks the data plane for something, already authorised to ask. */
export interface PullRequest {
  readonly caller: Caller;
  /** What the caller's credential allows on the repository in question. */
  readonly actions: readonly RepositoryAction[];
  /** Whether the credential was asked for to push: a token of the registry that allows it. */
  readonly isPushing: boolean;
  /**
   * Whether the principal may push to the repository, also when this credential does not say so: clients ask for a
   * token that allows no more than they need (cosign reads what it signs with one that only pulls).
   */
  principalMayPush(): Promise<boolean>;
  readonly clientAddress: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** Aborts when the client has gone. Only asked for when an answer takes time. */
  gone(): AbortSignal;
}

/** Row of `principal`, null for anonymous. */
export function principalIdOf({ principal }: Caller): string | null {
  return principal.kind === 'anonymous' ? null : principal.id;
}

/** A credential that was good when it was issued and is no longer. */
export class CredentialsRevoked extends OciError {
  constructor(caller: Caller) {
    const name = caller.principal.kind === 'anonymous' ? 'anonymous' : caller.principal.name;
    super('UNAUTHORIZED', `the rights of ${name} have changed since the token was issued: log in again`);
  }
}

/**
 * Compares what the caller's token was issued for with what holds now, so that whoever lost rights is out at once.
 *
 * @param current as the stores give it; the epoch is null for a principal that may not act any more
 * @throws CredentialsRevoked
 */
export function assertCurrent(
  caller: Caller,
  repository: RepositoryName,
  current: { readonly principalEpoch: number | null; readonly visibility: Visibility | null },
): void {
  const { principal } = caller;
  const isRevoked = principal.kind !== 'anonymous' && principal.epoch !== current.principalEpoch;
  if (isRevoked || !maySee(caller, repository, current.visibility)) throw new CredentialsRevoked(caller);
}

/**
 * Whether the visibility of a project still allows what a token was issued for; true for tokens of callers who may pull
 * for other reasons, and where there is no project to look at.
 */
export function maySee(caller: Caller, repository: RepositoryName, visibility: Visibility | null): boolean {
  const access = caller.access?.find((entry) => entry.repository === repository);
  if (access?.byVisibility !== true || visibility === null) return true;
  return isVisibleTo(caller.principal.kind, visibility);
}
