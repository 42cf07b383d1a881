import type { Caller, RepositoryAction } from '@sluice/domain/access';
import { OciError } from '@sluice/domain/oci';

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
 * Compares the epoch of the caller's credential with the current one, so that whoever lost rights is out at once.
 *
 * @param currentEpoch as the stores give it: null for a principal that may not act any more
 * @throws CredentialsRevoked
 */
export function assertCurrent(caller: Caller, currentEpoch: number | null): void {
  const { principal } = caller;
  if (principal.kind !== 'anonymous' && principal.epoch !== currentEpoch)
    throw new CredentialsRevoked(caller);
}
