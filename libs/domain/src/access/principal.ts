import type { Grant } from './grant.ts';
import type { AccessScope } from './scope.ts';

/** Who asks. `id` is the row of `principal`; `epoch` rises with every change that takes rights away. */
export type Principal =
  | {
      readonly kind: 'user';
      readonly id: string;
      readonly name: string;
      readonly isAdmin: boolean;
      readonly epoch: number;
    }
  | { readonly kind: 'robot'; readonly id: string; readonly name: string; readonly epoch: number }
  | {
      readonly kind: 'workload';
      readonly id: string;
      readonly name: string;
      readonly epoch: number;
      readonly provenance: Provenance;
    }
  | { readonly kind: 'anonymous' };

/** What a CI token says of the job that pushes. Numbers are GitLab's ids as decimal strings. */
export interface Provenance {
  readonly issuer: string;
  readonly projectId: string;
  readonly projectPath: string;
  readonly ref: string;
  readonly refType: 'branch' | 'tag';
  readonly refProtected: boolean;
  readonly pipelineId: string;
  readonly pipelineSource: string;
  readonly jobId: string;
  readonly sha: string;
  readonly userId: string;
  readonly userLogin: string;
}

/** Actions on a repository, in the words of the token specification. */
export type RepositoryAction = 'pull' | 'push' | 'delete';

/** What a token allows on one repository. */
export interface RepositoryAccess {
  readonly repository: string;
  readonly actions: readonly RepositoryAction[];
  /** It may pull for no other reason that lasts than the visibility of the project, so only while that stays. */
  readonly byVisibility?: boolean;
}

/**
 * A caller of the data plane after authentication.
 *
 * `access` is the list of a Bearer token; null for Basic, where rights are decided per request.
 */
export interface Caller {
  readonly principal: Principal;
  readonly access: readonly RepositoryAccess[] | null;
  /** For the audit record: jti of the Bearer token or id of the secret that was used. */
  readonly tokenId: string | null;
  /** What the secret is limited to; absent or null when it carries all rights of the principal. */
  readonly scopes?: readonly AccessScope[] | null;
  /** Of a Bearer token: what the secret that it was issued for is limited to; absent or null when that has no limits. */
  readonly secretScopes?: readonly AccessScope[] | null;
  /** Rights that come with the credential (a CI job's bindings) and not from the stored grants; absent or null otherwise. */
  readonly grants?: readonly Grant[] | null;
  /** When the credential or its principal ends; absent or null when neither does. */
  readonly endsAt?: Date | null;
  /** Why the credential has less than its holder may expect, one sentence each, for refusals to quote. */
  readonly limits?: readonly string[];
}
