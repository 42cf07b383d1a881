import type {
  AuditLog,
  CiBindingStore,
  GrantStore,
  NodeStore,
  PrincipalStore,
  ReadCoherence,
  SecretStore,
  SeenTokens,
} from '@sluice/database';
import type { IssuerKeys } from '@sluice/gitlab-client';
import type { FailureCounts, RateLimiter } from '@sluice/rate-limits';
import { AccessControl } from './access-control.ts';
import { AccessTokens } from './access-tokens.ts';
import { Authentication } from './authentication.ts';
import { CiBindings } from './ci-bindings.ts';
import { LoginThrottle, type ThrottleOptions } from './login-throttle.ts';
import { Passwords } from './passwords.ts';
import { PrincipalMemory } from './principal-memory.ts';
import { RegistryTokens, type TokenKeys } from './registry-tokens.ts';
import { Robots } from './robots.ts';
import { SecretHasher } from './secret-hasher.ts';
import { TokenEndpoint } from './token-endpoint.ts';
import { TokenExchange } from './token-exchange.ts';
import { Users } from './users.ts';
import { WorkloadIdentity } from './workload-identity.ts';

export interface IdentityPorts {
  readonly nodes: NodeStore;
  readonly principals: PrincipalStore;
  readonly grants: GrantStore;
  readonly secrets: SecretStore;
  readonly ciBindings: CiBindingStore;
  readonly seenTokens: SeenTokens;
  readonly audit: AuditLog;
  readonly tokenKeys: TokenKeys;
  readonly issuerKeys: IssuerKeys;
  /** How often one may call; absent: as often as one likes. */
  readonly limits?: RateLimiter;
  /** Counts failed logins for all replicas; absent: each counts for itself. */
  readonly failures?: FailureCounts;
  /** For processes that may remember what they have read; absent: read every time. */
  readonly coherence?: ReadCoherence;
}

export interface IdentityOptions {
  /** Where clients reach the installation: `iss` of registry tokens, and the one `aud` that id_tokens must have. */
  readonly publicUrl: string;
  /** The service name in the registry's challenges, usually the host of the public URL. */
  readonly service: string;
  /** GitLab instances whose id_tokens are accepted, exactly as in their `iss`. */
  readonly gitlabIssuers: readonly string[];
  /** Mixed into the hashes of secrets; null for none. It must never change. */
  readonly pepper?: Buffer | null;
  readonly throttle?: ThrottleOptions;
  readonly now?: () => Date;
}

export interface Identity {
  readonly accessControl: AccessControl;
  readonly accessTokens: AccessTokens;
  readonly authentication: Authentication;
  readonly ciBindings: CiBindings;
  readonly registryTokens: RegistryTokens;
  readonly robots: Robots;
  readonly tokenEndpoint: TokenEndpoint;
  readonly tokenExchange: TokenExchange;
  readonly users: Users;
}

/** Puts the parts of this feature together, so that every process has the same. */
export function createIdentity(ports: IdentityPorts, options: IdentityOptions): Identity {
  const { nodes, principals, grants, secrets, ciBindings, seenTokens, audit, tokenKeys, issuerKeys } = ports;
  const { publicUrl, service, gitlabIssuers } = options;
  const now = options.now ?? (() => new Date());
  const passwords = new Passwords();
  const hasher = new SecretHasher(options.pepper ?? null);
  const milliseconds = options.now === undefined ? Date.now : () => now().getTime();
  const registryTokens = new RegistryTokens(tokenKeys, { issuer: publicUrl, service }, milliseconds);
  const workloads = new WorkloadIdentity(
    { issuers: gitlabIssuers, audience: publicUrl },
    issuerKeys,
    ciBindings,
    seenTokens,
    now,
  );
  const throttle = new LoginThrottle(options.throttle, now, ports.failures ?? null);
  const authentication = new Authentication(
    {
      principals,
      standings: new PrincipalMemory(principals, ports.coherence ?? null),
      secrets,
      hasher,
      passwords,
      throttle,
      tokens: registryTokens,
      workloads,
      limits: ports.limits ?? null,
    },
    now,
  );
  const accessControl = new AccessControl(nodes, principals, now);
  const tokenEndpoint = new TokenEndpoint(
    { authentication, access: accessControl, tokens: registryTokens, secrets, hasher, audit, service },
    now,
  );
  return {
    accessControl,
    accessTokens: new AccessTokens(secrets, hasher, audit, now),
    authentication,
    ciBindings: new CiBindings(ciBindings, audit, gitlabIssuers),
    registryTokens,
    robots: new Robots({ principals, grants, secrets }, hasher, audit, now),
    tokenEndpoint,
    tokenExchange: new TokenExchange(workloads, tokenEndpoint, audit),
    users: new Users(principals, passwords, audit),
  };
}
