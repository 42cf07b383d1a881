import type { Catalog } from '@sluice/catalog';
import type { AuditTrail, DenialList, JobLedger } from '@sluice/database';
import type { Policies } from '@sluice/gate';
import type {
  AccessControl,
  AccessTokens,
  Authentication,
  CiBindings,
  Robots,
  TokenExchange,
  Users,
} from '@sluice/identity';
import type { Members, Projects } from '@sluice/projects';
import type { TrustedKeys } from '@sluice/signing';
import type { Locator } from './access/locators.ts';
import type { ResourceKind } from './http/ids.ts';

/** The instances that the controllers work with. A new controller adds the feature it needs here. */
export interface ApiDependencies {
  readonly authentication: Authentication;
  readonly accessControl: AccessControl;
  readonly accessTokens: AccessTokens;
  readonly auditTrail: AuditTrail;
  readonly catalog: Catalog;
  readonly ciBindings: CiBindings;
  readonly denials: DenialList;
  readonly jobs: JobLedger;
  readonly members: Members;
  readonly policies: Policies;
  readonly projects: Projects;
  /** Where clients reach this installation, e.g. `https://sluice.example.com`; verdicts name it. */
  readonly publicUrl: string;
  readonly robots: Robots;
  readonly tokenExchange: TokenExchange;
  readonly trustedKeys: TrustedKeys;
  readonly users: Users;
  /**
   * Where resources lie whose ids stand in paths, for `@Permission(…, param(…))`. Those of this package's own
   * resources are known already.
   */
  readonly locators: Partial<Record<ResourceKind, Locator>>;
}
