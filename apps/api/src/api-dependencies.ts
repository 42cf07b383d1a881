import type { Catalog } from '@sluice/catalog';
import type {
  AdvisoryStore,
  AuditTrail,
  DenialList,
  JobLedger,
  JobStatistics,
  ReadCoherence,
} from '@sluice/database';
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
import type { Health } from '@sluice/platform';
import type { Members, Projects } from '@sluice/projects';
import type { AdvisoryUploads, Sboms } from '@sluice/scanning';
import type { TrustedKeys } from '@sluice/signing';
import type { StorageKeys } from '@sluice/storage-keys';
import type { Locator } from './access/locators.ts';
import type { ResourceKind } from './http/ids.ts';

/** The instances that the controllers work with. A new controller adds the feature it needs here. */
export interface ApiDependencies {
  readonly authentication: Authentication;
  readonly accessControl: AccessControl;
  readonly accessTokens: AccessTokens;
  readonly advisories: AdvisoryStore;
  readonly advisoryUploads: AdvisoryUploads;
  readonly auditTrail: AuditTrail;
  readonly catalog: Catalog;
  readonly ciBindings: CiBindings;
  readonly coherence: ReadCoherence;
  readonly denials: DenialList;
  /** The checks behind `/readyz`. */
  readonly health: Health;
  readonly jobs: JobLedger;
  readonly jobStatistics: JobStatistics;
  readonly members: Members;
  readonly policies: Policies;
  readonly projects: Projects;
  /** Where clients reach this installation, e.g. `https://sluice.example.com`; verdicts name it. */
  readonly publicUrl: string;
  readonly robots: Robots;
  readonly sboms: Sboms;
  readonly storageKeys: StorageKeys;
  readonly tokenExchange: TokenExchange;
  readonly trustedKeys: TrustedKeys;
  readonly users: Users;
  /** Of the running program, e.g. `1.4.0`. */
  readonly version: string;
  /**
   * Where resources lie whose ids stand in paths, for `@Permission(…, param(…))`. Those of this package's own
   * resources are known already.
   */
  readonly locators: Partial<Record<ResourceKind, Locator>>;
}
