/** The resources of `/api/v1` as far as the command shows them; docs/api.md describes them. Times are RFC 3339. */

export type VerdictState = 'green' | 'amber' | 'red' | 'pending';

export interface VerdictSummary {
  readonly id: string;
  readonly state: VerdictState;
  readonly summary: string | null;
}

export interface Artifact {
  readonly id: string;
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  readonly kind: string;
  readonly size: number;
  readonly tags: readonly string[];
  readonly createdAt: string;
  readonly verdict: VerdictSummary;
}

export interface RuleResult {
  readonly scope: string;
  readonly policy: string;
  readonly policyVersion: number;
  readonly rule: string;
  readonly kind: string;
  readonly mode: string;
  readonly outcome: 'pass' | 'warn' | 'fail' | 'pending' | 'not-applicable';
  readonly reason: string;
  readonly expected: string;
  readonly found: string;
  readonly remedy: string | null;
}

export interface Verdict extends VerdictSummary {
  readonly url: string;
  readonly artifact: Pick<Artifact, 'id' | 'repository' | 'digest' | 'kind' | 'tags'>;
  readonly evaluatedAt: string;
  readonly results: readonly RuleResult[];
  readonly children?: readonly {
    readonly digest: string;
    readonly platform: string | null;
    readonly verdict: VerdictSummary | null;
  }[];
}

export interface Finding {
  readonly advisory: string;
  readonly aliases: readonly string[];
  readonly package: {
    readonly name: string;
    readonly version: string;
    readonly ecosystem: string;
    readonly purl: string;
  };
  readonly severity: string;
  readonly score: number | null;
  readonly fixedVersion: string | null;
  readonly layer: string | null;
  readonly path: string;
}

export interface Denial {
  readonly at: string;
  readonly principal: { readonly id: string | null; readonly name: string };
  readonly repository: string;
  readonly reference: string;
  readonly digest: string | null;
  readonly rule: string;
  readonly reason: string;
  readonly clientAddress: string | null;
}

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly key: string;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly attempts: number;
  readonly progress: { readonly done: number; readonly total: number | null; readonly unit: string } | null;
  readonly error: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

export interface Policy {
  readonly id: string;
  readonly node: string | null;
  readonly name: string;
  readonly version: number;
  readonly updatedAt: string;
  readonly document?: unknown;
}

export interface TrustedKey {
  readonly id: string;
  readonly node: string;
  readonly name: string;
  readonly algorithm: string;
  readonly fingerprint: string;
  readonly createdAt: string;
}

export interface AdvisorySource {
  readonly ecosystem: string;
  readonly records: number;
  readonly newest: string | null;
  readonly importedAt: string | null;
}

export interface HealthReport {
  readonly status: 'ok' | 'warn' | 'fail';
  readonly version: string;
  readonly checks: readonly {
    readonly name: string;
    readonly status: 'ok' | 'warn' | 'fail';
    readonly message: string;
    readonly fix: string | null;
  }[];
}

export interface Me {
  readonly id: string;
  readonly kind: 'user' | 'robot' | 'workload' | 'anonymous';
  readonly name: string;
  readonly isAdmin?: boolean;
}

/** A project or group. */
export interface TreeNode {
  readonly id: string;
  readonly path: string;
  readonly visibility: string;
  readonly createdAt: string;
}

export interface Project extends TreeNode {
  readonly missingBlobs?: string;
  readonly blobDownloads?: string;
}

export interface Repository {
  readonly id: string;
  readonly name: string;
  readonly artifacts: number;
  readonly tags: number;
  readonly lastPushedAt: string | null;
}

/** The only answer that ever holds the secret of a token. */
export interface CreatedToken {
  readonly id: string;
  readonly name: string;
  readonly secret: string;
}

export interface Robot {
  readonly id: string;
  /** The user name to log in with. */
  readonly name: string;
  readonly disabledAt: string | null;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

export interface CreatedRobot extends Robot {
  readonly secretId: string;
  readonly secret: string;
  readonly secretExpiresAt: string | null;
}

export interface RobotSecret {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

export interface CreatedSecret extends RobotSecret {
  readonly secret: string;
}

export interface Grant {
  readonly id: string;
  readonly principal: { readonly id: string; readonly name: string; readonly kind: string };
  /** Path of the group or project. */
  readonly node: string;
  readonly role: string;
  readonly source: string;
  readonly expiresAt: string | null;
}

export interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly isAdmin: boolean;
  readonly disabledAt: string | null;
}

export interface CiBinding {
  readonly id: string;
  readonly node: string;
  readonly issuer: string;
  readonly gitlabProjectId: string;
  readonly gitlabProjectPath: string;
  readonly role: string;
  readonly conditions: { readonly refProtected?: boolean } & Readonly<Record<string, unknown>>;
}

/** The keys that blobs are encrypted under, without their secrets. */
export interface StorageKeyReport {
  readonly encrypts: boolean;
  readonly keys: readonly {
    readonly id: string;
    /** Null: of everybody who has no domain. */
    readonly domain: string | null;
    readonly state: string;
    readonly objects: number;
    readonly uploads: number;
  }[];
  readonly domains: readonly { readonly path: string; readonly domain: string }[];
}
